package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"time"
)

// handshake connects a server with the mounted files to a client that trusts the last certificate.
func handshake(pair tls.Certificate, chain []*x509.Certificate) error {
	if len(chain[0].DNSNames) == 0 {
		return errors.New("the certificate has no DNS name")
	}
	roots := x509.NewCertPool()
	roots.AddCert(chain[len(chain)-1])
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	deadline := time.Now().Add(10 * time.Second)
	if err := errors.Join(near.SetDeadline(deadline), far.SetDeadline(deadline)); err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() {
		// The client closes as soon as it is content, before the server's session tickets.
		served <- tls.Server(far, &tls.Config{
			Certificates: []tls.Certificate{pair}, SessionTicketsDisabled: true,
		}).Handshake()
	}()
	err := tls.Client(near, &tls.Config{RootCAs: roots, ServerName: chain[0].DNSNames[0]}).Handshake()
	return errors.Join(err, <-served)
}
