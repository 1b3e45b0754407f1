package fs

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"syscall"

	"github.com/registryd/registryd/internal/drivers"
)

// temporary are the errors that come from the state of the disk or the machine, not from the call: it may work later.
var temporary = []error{
	syscall.EIO, syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.ESTALE, syscall.ETIMEDOUT, syscall.ENODEV, syscall.ENXIO,
	syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS, syscall.EAGAIN, syscall.EBUSY, syscall.EINTR,
}

// missing says whether err means that there is no file of that name.
func missing(err error) bool {
	return errors.Is(err, iofs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP)
}

// wrap gives err in the words of the contract, with what was being done. What may have happened all the same is for [unsure].
func wrap(op, key string, err error) error {
	switch {
	case err == nil:
		return nil
	case ours(err):
		return fmt.Errorf("%s %s: %w", op, key, err)
	case missing(err):
		return fmt.Errorf("%s %s: %w", op, key, drivers.ErrNotFound)
	}
	for _, t := range temporary {
		if errors.Is(err, t) {
			return unsure(op, key, err)
		}
	}
	return fmt.Errorf("%s %s: %w", op, key, err)
}

// unsure gives any error as one after which it is not known whether the call happened.
func unsure(op, key string, err error) error {
	if err == nil {
		return nil
	}
	return &drivers.Unavailable{Err: fmt.Errorf("%s %s: %w", op, key, err)}
}

// ours says whether err already speaks the contract's language.
func ours(err error) bool {
	for _, e := range []error{
		drivers.ErrNotFound, drivers.ErrPrecondition, drivers.ErrUnavailable, drivers.ErrInvalidKey, context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
