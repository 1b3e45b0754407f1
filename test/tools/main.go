// Command tools builds the programs that tests run against into the cache folder, where the tests find them. The first time takes minutes.
package main

import (
	"fmt"
	"os"

	"github.com/registryd/registryd/internal/teststore"
)

func main() {
	paths, err := teststore.Build()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, path := range paths {
		fmt.Println(path)
	}
}
