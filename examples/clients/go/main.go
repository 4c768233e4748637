// Writes down a recording of any length with the server's own protocol, each segment as soon as it is ready; or speech
// while it is spoken: 16-bit mono samples of 16 kHz on standard input.
//
//	go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
//	go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
//	go generate && go build -o transcribe .
//	./transcribe [-language ko] [-ca ca.pem -token-file token] HOST:50051 recording.mp3
//	arecord -q -t raw -f S16_LE -r 16000 | ./transcribe -live HOST:50051
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
	"os/signal"
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

const (
	chunkBytes = 256 << 10
	sampleRate = 16000
)

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
	live      = flag.Bool("live", false, "write down what is spoken into standard input")
	timeout   = flag.Duration("timeout", time.Hour, "for a recording, tries included")
	useTLS    = flag.Bool("tls", false, "speak TLS")
	caFile    = flag.String("ca", "", "PEM `file` of the authority of the server's certificate; speaks TLS")
	tokenFile = flag.String("token-file", "", "`file` of the token that the server asks for; needs TLS")
)

func main() {
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: transcribe [flags] HOST:PORT RECORDING, or transcribe -live [flags] HOST:PORT")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 2 && !(*live && flag.NArg() == 1) {
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
	secrets, err := transport()
	if err != nil {
		return err
	}
	conn, err := grpc.NewClient(server, grpc.WithTransportCredentials(secrets), grpc.WithDefaultServiceConfig(serviceConfig))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx := context.Background()
	if *tokenFile != "" {
		token, err := os.ReadFile(*tokenFile)
		if err != nil {
			return err
		}
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	client := whisperv1.NewTranscriptionClient(conn)
	if *live {
		// Ctrl-C ends whoever records; what was said last still comes.
		signal.Ignore(os.Interrupt)
		return listen(ctx, client)
	}
	return transcribe(ctx, client, recording)
}

func transcribe(ctx context.Context, client whisperv1.TranscriptionClient, recording string) error {
	file, err := os.Open(recording)
	if err != nil {
		return err
	}
	defer file.Close()
	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	// What may be sent again has to be kept; by default that is 256 KiB.
	stream, err := client.Transcribe(ctx, grpc.MaxRetryRPCBufferSize(64<<20))
	if err != nil {
		return err
	}
	config := &whisperv1.TranscribeRequest{Content: &whisperv1.TranscribeRequest_Config{
		Config: &whisperv1.TranscribeConfig{Speech: speech()},
	}}
	return exchange(stream, config, file, chunkBytes, func(audio []byte) *whisperv1.TranscribeRequest {
		return &whisperv1.TranscribeRequest{Content: &whisperv1.TranscribeRequest_Audio{Audio: audio}}
	}, func(response *whisperv1.TranscribeResponse) {
		if heard := response.GetLanguage(); heard != nil {
			fmt.Printf("[%s, %.0f%% sure]\n", heard.Language, 100*heard.Probability)
		}
		if segment := response.GetSegment(); segment != nil {
			show(segment)
		}
	})
}

// listen has no deadline: a live stream lasts as long as somebody speaks.
func listen(ctx context.Context, client whisperv1.TranscriptionClient) error {
	stream, err := client.StreamTranscribe(ctx)
	if err != nil {
		return err
	}
	config := &whisperv1.StreamTranscribeRequest{Content: &whisperv1.StreamTranscribeRequest_Config{
		Config: &whisperv1.StreamTranscribeConfig{
			AudioFormat: &whisperv1.AudioFormat{
				Encoding:        whisperv1.AudioEncoding_AUDIO_ENCODING_LINEAR_PCM,
				SampleRateHertz: sampleRate,
			},
			Speech:         speech(),
			InterimResults: true,
		},
	}}
	return exchange(stream, config, os.Stdin, sampleRate/10*2, func(audio []byte) *whisperv1.StreamTranscribeRequest {
		return &whisperv1.StreamTranscribeRequest{Content: &whisperv1.StreamTranscribeRequest_Audio{Audio: audio}}
	}, func(response *whisperv1.StreamTranscribeResponse) {
		if interim := response.GetInterim(); interim != nil {
			fmt.Println("...", strings.TrimSpace(interim.Text))
		}
		for _, segment := range response.GetFinal().GetSegments() {
			show(segment)
		}
	})
}

func speech() *whisperv1.SpeechOptions {
	return &whisperv1.SpeechOptions{Language: *language, WordTimes: true}
}

func show(segment *whisperv1.Segment) {
	fmt.Println(strings.TrimSpace(segment.Text))
	for _, word := range segment.Words {
		fmt.Printf("%7.2f %7.2f%s\n", word.Start, word.End, word.Text)
	}
}

// exchange sends the config and then the audio in pieces, and shows what comes back meanwhile: a client that does not
// read is not read from.
func exchange[Request, Response any](
	stream grpc.BidiStreamingClient[Request, Response], config *Request, audio io.Reader, size int,
	piece func([]byte) *Request, show func(*Response),
) error {
	sent := make(chan error, 1)
	go func() { sent <- send(stream, config, audio, size, piece) }()
	for {
		response, err := stream.Recv()
		if err == io.EOF {
			return <-sent
		} else if err != nil {
			return err
		}
		show(response)
	}
}

func send[Request, Response any](
	stream grpc.BidiStreamingClient[Request, Response], request *Request, audio io.Reader, size int,
	piece func([]byte) *Request,
) error {
	for {
		// io.EOF says that the call has ended; why is what Recv gets.
		if err := stream.Send(request); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		chunk := make([]byte, size)
		read, err := io.ReadFull(audio, chunk)
		if read == 0 && err == io.EOF {
			return stream.CloseSend()
		} else if err != nil && err != io.ErrUnexpectedEOF {
			return err
		}
		request = piece(chunk[:read])
	}
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
