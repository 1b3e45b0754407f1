package events

// progress is how far a letter has come that was put off, so that its next attempt begins there. Each node knows its own alone, and forgets it when it stops:
// then events come again, as they may.
type progress struct {
	done    int    // events
	skipped []int  // those of them that were refused
	reason  string // why
}

// progressMost is of how many letters a lane remembers that, in some 200 bytes each.
const progressMost = 10_000

// further says whether something of it was delivered, or refused, since an attempt failed last.
func (m *letter) further() bool {
	further := m.done > m.counted
	m.counted = m.done
	return further
}

// resume takes off what is done.
func (m *letter) resume(p progress) {
	all := m.rest
	if p.done == 0 || p.done > len(all) {
		return
	}
	m.rest, m.done, m.counted = all[p.done:], p.done, p.done
	for _, i := range p.skipped {
		m.refused = append(m.refused, all[i])
	}
	m.skipped, m.reason = p.skipped, p.reason
}

// remember is for a letter that is put off. If there are too many, that of any other is forgotten: it may be with another node by now.
func (l *lane) remember(m *letter) {
	if m.done == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range l.progress {
		if len(l.progress) < progressMost {
			break
		}
		delete(l.progress, id)
	}
	l.progress[m.id] = progress{m.done, m.skipped, m.reason}
}
