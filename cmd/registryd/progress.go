package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/registryd/registryd/internal/storage"
)

// progress is a bar on a terminal, and nothing elsewhere.
type progress struct {
	out   io.Writer // nil for none
	bar   *progressbar.ProgressBar
	stage string
}

func newProgress(stderr io.Writer) *progress {
	if f, ok := stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &progress{out: f}
	}
	return &progress{}
}

// set says how far a stage has come; all is 0 when nobody knows.
func (p *progress) set(stage string, done, all int) {
	if p.out == nil {
		return
	}
	if stage != p.stage {
		p.end()
		if all == 0 {
			all = -1
		}
		p.stage = stage
		p.bar = progressbar.NewOptions(all, progressbar.OptionSetWriter(p.out), progressbar.OptionSetDescription(stage),
			progressbar.OptionShowCount(), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	}
	_ = p.bar.Set(done)
}

func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}

// beside writes findings without the bar in between.
func (p *progress) beside(write func(storage.Finding)) func(storage.Finding) {
	return func(f storage.Finding) {
		if p.bar != nil {
			_ = p.bar.Clear()
		}
		write(f)
	}
}
