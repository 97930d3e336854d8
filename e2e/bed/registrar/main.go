// The node-driver-registrar of a CSI driver: it asks the driver for its name and tells kubelet, over
// kubelet's plugin registration protocol, where the driver listens. Flags are those of the original
// that the driver's manifests use.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

// How long the driver may take to answer after its start.
const patience = time.Minute

type server struct {
	registration.UnsafeRegistrationServer
	info *registration.PluginInfo
	done chan<- error
}

func (s *server) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return s.info, nil
}

// A refusal ends the program, so that whoever runs it starts it anew.
func (s *server) NotifyRegistrationStatus(_ context.Context, status *registration.RegistrationStatus) (*registration.RegistrationStatusResponse, error) {
	if status.PluginRegistered {
		log.Printf("kubelet registered %s", s.info.Name)
	} else {
		s.done <- fmt.Errorf("kubelet refused %s: %s", s.info.Name, status.Error)
	}
	return &registration.RegistrationStatusResponse{}, nil
}

func driverName(address string) (string, error) {
	connection, err := grpc.NewClient("unix://"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return "", err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	info, err := csi.NewIdentityClient(connection).GetPluginInfo(ctx, &csi.GetPluginInfoRequest{}, grpc.WaitForReady(true))
	if err != nil {
		return "", fmt.Errorf("driver at %s: %w", address, err)
	}
	log.Printf("driver %s %s", info.Name, info.VendorVersion)
	return info.Name, nil
}

func run(address, endpoint, directory string) error {
	name, err := driverName(address)
	if err != nil {
		return err
	}
	socket := filepath.Join(directory, name+"-reg.sock")
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	registrar := grpc.NewServer()
	registration.RegisterRegistrationServer(registrar, &server{
		info: &registration.PluginInfo{
			Type:              registration.CSIPlugin,
			Name:              name,
			Endpoint:          endpoint,
			SupportedVersions: []string{"1.0.0"},
		},
		done: done,
	})
	go func() { done <- registrar.Serve(listener) }()
	return <-done
}

func main() {
	address := flag.String("csi-address", "/csi/csi.sock", "the driver's socket as this program sees it")
	endpoint := flag.String("kubelet-registration-path", "", "the driver's socket as kubelet sees it")
	directory := flag.String("registration-directory", "/registration", "folder that kubelet watches")
	flag.Int("v", 0, "accepted for the original's sake")
	flag.Parse()
	if err := run(*address, *endpoint, *directory); err != nil {
		log.Fatal(err)
	}
}
