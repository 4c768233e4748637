// Command talker is what the harness's own tests run in pods: it serves a text, fetches one, or writes one to a file.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"time"
)

func main() {
	switch arguments := os.Args[1:]; {
	case len(arguments) == 2 && arguments[0] == "serve":
		log.Fatal(http.ListenAndServe(":8080", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, arguments[1])
		})))
	case len(arguments) == 2 && arguments[0] == "get":
		get(arguments[1])
	case len(arguments) == 3 && arguments[0] == "write":
		if err := os.WriteFile(arguments[1], []byte(arguments[2]), 0o644); err != nil {
			log.Fatal(err)
		}
	default:
		log.Fatal("usage: talker serve TEXT | get URL | write FILE TEXT")
	}
}

func get(url string) {
	client := http.Client{Timeout: 5 * time.Second}
	answer, err := client.Get(url)
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(os.Stdout, answer.Body); err != nil {
		log.Fatal(err)
	}
}
