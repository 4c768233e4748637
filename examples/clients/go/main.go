// Writes down a recording of any length with the server's own protocol, each segment as soon as it is ready.
//
//	go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
//	go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
//	go generate && go build -o transcribe .
//	./transcribe [-language ko] [-ca ca.pem -token-file token] HOST:50051 recording.mp3
//
// go generate runs protoc (Debian: protobuf-compiler) and writes the folder whisperv1; say below where the proto is.
package main

//go:generate protoc -I ../../../server/proto --go_out=. --go-grpc_out=. --go_opt=module=example.com/transcribe --go-grpc_opt=module=example.com/transcribe --go_opt=Mwhisper/v1/transcription.proto=example.com/transcribe/whisperv1 --go-grpc_opt=Mwhisper/v1/transcription.proto=example.com/transcribe/whisperv1 whisper/v1/transcription.proto

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"example.com/transcribe/whisperv1"
)

const chunkBytes = 256 << 10

// What gRPC does by itself: use all servers in turn, and try again while one is away or busy.
const serviceConfig = `{
  "loadBalancingConfig": [{"round_robin": {}}],
  "methodConfig": [{
    "name": [{}],
    "retryPolicy": {
      "maxAttempts": 5, "initialBackoff": "1s", "maxBackoff": "10s", "backoffMultiplier": 2,
      "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"]
    }
  }]
}`

var whatToDo = map[codes.Code]string{
	codes.Unavailable:       "Is a server running there, and has it loaded its model? Does it want TLS (-tls)?",
	codes.DeadlineExceeded:  "Raise -timeout, or try again when the server is there and has less to do.",
	codes.ResourceExhausted: "If the server is busy, try again later; if the file is too large, send less.",
	codes.Unauthenticated:   "Give a token that the server knows, with -token-file.",
}

var (
	language  = flag.String("language", "", "such as en or ko; left out to be detected")
	timeout   = flag.Duration("timeout", time.Hour, "for the whole call, tries included")
	useTLS    = flag.Bool("tls", false, "speak TLS")
	caFile    = flag.String("ca", "", "PEM `file` of the authority of the server's certificate; speaks TLS")
	tokenFile = flag.String("token-file", "", "`file` of the token that the server asks for; needs TLS")
)

func main() {
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: transcribe [flags] HOST:PORT RECORDING")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 2 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(flag.Arg(0), flag.Arg(1)); err != nil {
		if failed, ok := status.FromError(err); ok {
			fmt.Fprintf(os.Stderr, "%v: %s. %s\n", failed.Code(), failed.Message(), whatToDo[failed.Code()])
		} else {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
}

func run(server, recording string) error {
	file, err := os.Open(recording)
	if err != nil {
		return err
	}
	defer file.Close()
	secrets, err := transport()
	if err != nil {
		return err
	}
	conn, err := grpc.NewClient(server, grpc.WithTransportCredentials(secrets), grpc.WithDefaultServiceConfig(serviceConfig))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), *timeout)
	defer cancel()
	if *tokenFile != "" {
		token, err := os.ReadFile(*tokenFile)
		if err != nil {
			return err
		}
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	// What may be sent again has to be kept; by default that is 256 KiB.
	stream, err := whisperv1.NewTranscriptionClient(conn).Transcribe(ctx, grpc.MaxRetryRPCBufferSize(64<<20))
	if err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() { sent <- send(stream, file) }()
	// Read while it is sent: a client that does not read is not read from.
	if err := show(stream); err != nil {
		return err
	}
	return <-sent
}

// transport tells how the connection is encrypted; a token is sent over nothing else.
func transport() (credentials.TransportCredentials, error) {
	if !*useTLS && *caFile == "" {
		if *tokenFile != "" {
			return nil, errors.New("-token-file needs -tls or -ca: else anybody on the way could read the token")
		}
		return insecure.NewCredentials(), nil
	}
	config := &tls.Config{}
	if *caFile != "" {
		pem, err := os.ReadFile(*caFile)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", *caFile)
		}
	}
	return credentials.NewTLS(config), nil
}

// send sends the config, then the bytes of the recording.
func send(stream whisperv1.Transcription_TranscribeClient, file io.Reader) error {
	config := &whisperv1.TranscribeConfig{Speech: &whisperv1.SpeechOptions{Language: *language, WordTimes: true}}
	request := &whisperv1.TranscribeRequest{Content: &whisperv1.TranscribeRequest_Config{Config: config}}
	chunk := make([]byte, chunkBytes)
	for {
		// io.EOF says that the call has ended; why is what show gets.
		if err := stream.Send(request); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		read, err := io.ReadFull(file, chunk)
		if read == 0 && err == io.EOF {
			return stream.CloseSend()
		} else if err != nil && err != io.ErrUnexpectedEOF {
			return err
		}
		request = &whisperv1.TranscribeRequest{Content: &whisperv1.TranscribeRequest_Audio{Audio: chunk[:read]}}
	}
}

// show prints the language, and each segment with the times of its words.
func show(stream whisperv1.Transcription_TranscribeClient) error {
	for {
		response, err := stream.Recv()
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if heard := response.GetLanguage(); heard != nil {
			fmt.Printf("[%s, %.0f%% sure]\n", heard.Language, 100*heard.Probability)
		}
		if segment := response.GetSegment(); segment != nil {
			fmt.Println(strings.TrimSpace(segment.Text))
			for _, word := range segment.Words {
				fmt.Printf("%7.2f %7.2f%s\n", word.Start, word.End, word.Text)
			}
		}
	}
}
