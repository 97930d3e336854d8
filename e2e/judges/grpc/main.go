// Command grpc calls a provider as the Secrets Store CSI driver does, with grpc-go, and prints what
// came back as JSON.
//
// Drivers up to 1.5.6 dial the bare path of the socket, which grpc-go puts on the wire as
// :authority (-authority path). Newer grpc-go would percent-encode it (-authority encoded). Driver
// 1.6 and later send localhost (-authority localhost).
//
// One connection carries a Version call, a health check and all Mount calls. The exit status is 1
// if any of them failed.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/url"
	"os"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// What the driver sets, see its provider client.
const serviceConfig = `{
  "methodConfig": [{
    "name": [{"service": "v1alpha1.CSIDriverProvider"}],
    "waitForReady": true,
    "retryPolicy": {
      "maxAttempts": 3, "initialBackoff": "1s", "maxBackoff": "10s", "backoffMultiplier": 1.1,
      "retryableStatusCodes": ["UNAVAILABLE"]
    }
  }]
}`

type options struct {
	socket, authority, request string
	calls                      int
	timeout                    time.Duration
}

// The request file. The driver sends each object as JSON text.
type request struct {
	Attributes map[string]string `json:"attributes"`
	Secrets    map[string]string `json:"secrets"`
	Permission string            `json:"permission"`
	TargetPath string            `json:"targetPath"`
}

type file struct {
	Path   string `json:"path"`
	Mode   int32  `json:"mode"`
	SHA256 string `json:"sha256"`
}

type objectVersion struct {
	ID      string `json:"id"`
	Version string `json:"version"`
}

// Files and versions are those of the last Mount call that succeeded; code and message are those of
// the first call of any kind that failed.
type summary struct {
	Calls       int             `json:"calls"`
	OK          int             `json:"ok"`
	Code        string          `json:"code"`
	Message     string          `json:"message"`
	Connections int64           `json:"connections"`
	Runtime     string          `json:"runtime"`
	Health      string          `json:"health"`
	Files       []file          `json:"files"`
	Versions    []objectVersion `json:"versions"`
}

func main() {
	var o options
	flag.StringVar(&o.socket, "socket", "", "path of the provider's socket")
	flag.StringVar(&o.authority, "authority", "localhost", "path, encoded or localhost")
	flag.StringVar(&o.request, "request", "", "JSON file: attributes, secrets, permission, targetPath")
	flag.IntVar(&o.calls, "calls", 200, "Mount calls to make")
	flag.DurationVar(&o.timeout, "timeout", 30*time.Second, "limit of each call")
	flag.Parse()

	result, err := run(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(result); err != nil || result.Code != "OK" {
		os.Exit(1)
	}
}

func run(o options) (*summary, error) {
	mount, err := readRequest(o.request)
	if err != nil {
		return nil, err
	}
	authority, ok := map[string]string{
		"path":      o.socket,
		"encoded":   url.PathEscape(o.socket),
		"localhost": "localhost",
	}[o.authority]
	if !ok || o.socket == "" {
		return nil, errors.New("give -socket, and -authority path, encoded or localhost")
	}
	var connections atomic.Int64
	conn, err := grpc.NewClient("passthrough:///"+o.socket,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithAuthority(authority),
		grpc.WithContextDialer(func(ctx context.Context, path string) (net.Conn, error) {
			connections.Add(1)
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}),
		grpc.WithDefaultServiceConfig(serviceConfig),
	)
	if err != nil {
		return nil, err
	}
	defer conn.Close()

	result := &summary{Code: "OK", Files: []file{}, Versions: []objectVersion{}}
	call := func(f func(context.Context) error) bool {
		ctx, cancel := context.WithTimeout(context.Background(), o.timeout)
		defer cancel()
		err := f(ctx)
		if err != nil && result.Code == "OK" {
			result.Code, result.Message = status.Code(err).String(), status.Convert(err).Message()
		}
		return err == nil
	}

	call(func(ctx context.Context) error { return version(ctx, conn, result) })
	call(func(ctx context.Context) error { return health(ctx, conn, result) })
	for range o.calls {
		result.Calls++
		if call(func(ctx context.Context) error { return callMount(ctx, conn, mount, result) }) {
			result.OK++
		}
	}
	result.Connections = connections.Load()
	if result.Connections != 1 && result.Code == "OK" {
		result.Code, result.Message = "Unknown", "the calls did not share one connection"
	}
	return result, nil
}

func version(ctx context.Context, conn *grpc.ClientConn, result *summary) error {
	answer, err := invoke(ctx, conn, "Version", appendString(nil, 1, "v1alpha1"))
	if err != nil {
		return err
	}
	parts := make(map[int]string)
	err = eachField(answer, func(number int, octets []byte, _ uint64) error {
		parts[number] = string(octets)
		return nil
	})
	if err == nil && parts[1] != "v1alpha1" {
		err = fmt.Errorf("the provider speaks %q", parts[1])
	}
	result.Runtime = parts[2] + " " + parts[3]
	return err
}

func health(ctx context.Context, conn *grpc.ClientConn, result *summary) error {
	answer, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
	if err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	result.Health = answer.GetStatus().String()
	if answer.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		return fmt.Errorf("health check: %s", result.Health)
	}
	return nil
}

func callMount(ctx context.Context, conn *grpc.ClientConn, mount []byte, result *summary) error {
	answer, err := invoke(ctx, conn, "Mount", mount)
	if err != nil {
		return err
	}
	files, versions := []file{}, []objectVersion{}
	err = eachField(answer, func(number int, octets []byte, _ uint64) error {
		switch number {
		case 1:
			var v objectVersion
			defer func() { versions = append(versions, v) }()
			return eachField(octets, func(number int, octets []byte, _ uint64) error {
				switch number {
				case 1:
					v.ID = string(octets)
				case 2:
					v.Version = string(octets)
				}
				return nil
			})
		case 2:
			return eachField(octets, func(number int, octets []byte, _ uint64) error {
				return fmt.Errorf("error code %q in the response", octets)
			})
		case 3:
			f, err := readFile(octets)
			files = append(files, f)
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(versions) == 0 {
		// The driver refuses this answer.
		return errors.New("missing object versions")
	}
	result.Files, result.Versions = files, versions
	return nil
}

func readFile(message []byte) (file, error) {
	var f file
	var contents []byte
	err := eachField(message, func(number int, octets []byte, integer uint64) error {
		switch number {
		case 1:
			f.Path = string(octets)
		case 2:
			f.Mode = int32(integer)
		case 3:
			contents = octets
		}
		return nil
	})
	sum := sha256.Sum256(contents)
	f.SHA256 = hex.EncodeToString(sum[:])
	return f, err
}

// readRequest returns an encoded MountRequest.
func readRequest(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := request{Permission: "420", TargetPath: "/mnt/secrets-store"}
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	attributes, err := json.Marshal(r.Attributes)
	if err != nil {
		return nil, err
	}
	secrets, err := json.Marshal(r.Secrets)
	if err != nil {
		return nil, err
	}
	message := appendString(nil, 1, string(attributes))
	message = appendString(message, 2, string(secrets))
	message = appendString(message, 3, r.TargetPath)
	return appendString(message, 4, r.Permission), nil
}
