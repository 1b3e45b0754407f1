package storage

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/registryd/registryd/internal/drivers"
)

// undelivered is how old an entry of the journal may become before fsck mentions it.
const undelivered = 24 * time.Hour

// checkJournal counts the entries of the journal, and with Deep reads them. It removes none, however old: each may stand for an event that somebody waits for.
func (f *fsck) checkJournal(ctx context.Context) error {
	f.begin("checking the journal", 0)
	group, work := workers(ctx)
	err := f.each(work, f.keys.journalPrefix(), func(info drivers.Info) error {
		id := strings.TrimPrefix(info.Key, f.keys.journalPrefix())
		if _, err := ulid.ParseStrict(id); err != nil {
			f.found(Note, info.Key, "this key is not one of registryd's")
			return nil
		}
		f.count(&f.summary.Journal, 1)
		if age := f.dataAge(id, info); age > undelivered {
			f.report(Finding{Severity: Note, Key: info.Key, Size: info.Size, Age: age, Message: fmt.Sprintf("it was not delivered for %s, see registryd events status", days(age))})
		}
		group.Go(func() error {
			f.step()
			return f.checkEntry(work, info.Key, func() error { _, err := f.Entry(work, id); return err })
		})
		return nil
	})
	if waitErr := group.Wait(); waitErr != nil {
		return waitErr
	}
	if err != nil {
		return err
	}
	return f.checkHanded(ctx)
}

// checkHanded looks at the hints that nodes hand to the relay. Nothing is lost with one, so none is damage.
func (f *fsck) checkHanded(ctx context.Context) error {
	return f.each(ctx, f.keys.handedPrefix(), func(info drivers.Info) error {
		f.step()
		id, ok := f.keys.parseHanded(info.Key)
		if !ok {
			f.found(Note, info.Key, "this key is not one of registryd's")
			return nil
		}
		if age := f.dataAge(id, info); age > pruneAge {
			return f.leftHanded(ctx, info, age)
		}
		if !f.opts.Deep {
			return nil
		}
		_, err := f.ReadHanded(ctx, id)
		if errors.Is(err, ErrHanded) {
			f.found(Note, info.Key, "%v; what it names is in the journal as well", err)
			err = nil
		}
		return err
	})
}

func (f *fsck) leftHanded(ctx context.Context, info drivers.Info, age time.Duration) error {
	finding := Finding{Severity: Leftover, Key: info.Key, Size: info.Size, Age: age, Message: "no node took what was handed over here"}
	if f.opts.Prune {
		if err := f.driver.Delete(ctx, info.Key); err != nil {
			return err
		}
		finding.Pruned = true
	}
	f.report(finding)
	return nil
}

// checkDead counts the events that endpoints did not take, and with Deep reads them.
func (f *fsck) checkDead(ctx context.Context) error {
	group, work := workers(ctx)
	err := f.each(work, f.keys.allDeadPrefix(), func(info drivers.Info) error {
		folder, id := path.Split(strings.TrimPrefix(info.Key, f.keys.allDeadPrefix()))
		endpoint := strings.TrimSuffix(folder, "/")
		if _, err := ulid.ParseStrict(id); err != nil || endpoint == "" || strings.Contains(endpoint, "/") {
			f.found(Note, info.Key, "this key is not one of registryd's")
			return nil
		}
		f.count(&f.summary.Dead, 1)
		group.Go(func() error {
			f.step()
			return f.checkEntry(work, info.Key, func() error { _, err := f.DeadEvent(work, endpoint, id); return err })
		})
		return nil
	})
	if waitErr := group.Wait(); waitErr != nil {
		return waitErr
	}
	return err
}

// checkEntry reports an event that is lost because nobody can read it.
func (f *fsck) checkEntry(ctx context.Context, key string, read func() error) error {
	if !f.opts.Deep {
		return nil
	}
	err := read()
	if isTransient(err) {
		return err
	}
	if err != nil {
		f.found(Damage, key, "%v", err)
	}
	return nil
}

// days says how long something has lasted that has lasted for a day at least.
func days(age time.Duration) string {
	if n := int(age / (24 * time.Hour)); n > 1 {
		return fmt.Sprintf("%d days", n)
	}
	return "a day"
}
