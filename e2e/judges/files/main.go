// Command files judges the files of a mounted certificate with Go's own libraries: the key must
// belong to the first certificate, and the rest must be its chain. It prints what it saw as JSON,
// and no part of a private key.
//
//	files -pem FILE [-pfx FILE] [-pair PREFIX]
package main

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"

	"golang.org/x/crypto/pkcs12"
)

type summary struct {
	KeyType      string   `json:"keyType"`
	Certificates []string `json:"certificates"`
	// The PEM made from the PFX is the mounted one, to the byte.
	SameAsPFX bool `json:"sameAsPFX"`
	// The two files hold the same.
	Pair bool `json:"pair"`
	// A TLS server and client with the files understand each other.
	Handshake bool `json:"handshake"`
}

func main() {
	pemFile := flag.String("pem", "", "the mounted PEM: key, leaf, chain")
	pfxFile := flag.String("pfx", "", "the same as a PFX without password")
	pair := flag.String("pair", "", "the same in two files, PREFIX.crt and PREFIX.key")
	flag.Parse()
	result, err := judge(*pemFile, *pfxFile, *pair)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(result)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func judge(pemFile, pfxFile, prefix string) (*summary, error) {
	mounted, err := os.ReadFile(pemFile)
	if err != nil {
		return nil, err
	}
	key, rest := pem.Decode(mounted)
	if key == nil || key.Type != "PRIVATE KEY" {
		return nil, errors.New("the first block is no PRIVATE KEY")
	}
	private, err := x509.ParsePKCS8PrivateKey(key.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the key: %w", err)
	}
	chain, err := certificates(rest)
	if err != nil {
		return nil, err
	}
	result := &summary{KeyType: fmt.Sprintf("%T", private)}
	for _, certificate := range chain {
		result.Certificates = append(result.Certificates, certificate.Subject.String())
	}
	if err := belongs(private, chain); err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(mounted, mounted)
	if err != nil {
		return nil, fmt.Errorf("as a TLS key pair: %w", err)
	}
	if len(chain) > 1 {
		if err := handshake(pair, chain); err != nil {
			return nil, fmt.Errorf("TLS handshake: %w", err)
		}
		result.Handshake = true
	}
	if prefix != "" {
		two, err := tls.LoadX509KeyPair(prefix+".crt", prefix+".key")
		if err != nil {
			return nil, fmt.Errorf("two files as a TLS key pair: %w", err)
		}
		result.Pair = reflect.DeepEqual(two.Certificate, pair.Certificate) &&
			reflect.DeepEqual(two.PrivateKey, pair.PrivateKey)
	}
	if pfxFile != "" {
		pfx, err := os.ReadFile(pfxFile)
		if err != nil {
			return nil, err
		}
		own, err := fromPFX(pfx)
		if err != nil {
			return nil, fmt.Errorf("the PFX: %w", err)
		}
		result.SameAsPFX = bytes.Equal(own, mounted)
	}
	return result, nil
}

func certificates(text []byte) ([]*x509.Certificate, error) {
	var chain []*x509.Certificate
	for len(text) > 0 {
		block, rest := pem.Decode(text)
		if block == nil {
			return nil, fmt.Errorf("%d bytes behind the last block", len(text))
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("%s where certificates are expected", block.Type)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		chain, text = append(chain, certificate), rest
	}
	return chain, nil
}

// belongs checks that each certificate signed the one before it.
func belongs(private any, chain []*x509.Certificate) error {
	if len(chain) == 0 {
		return errors.New("no certificate")
	}
	if !hasKey(chain[0], private) {
		return errors.New("the first certificate is not of the key")
	}
	for i := 1; i < len(chain); i++ {
		if err := chain[i-1].CheckSignatureFrom(chain[i]); err != nil {
			return fmt.Errorf("certificate %d is not signed by the one behind it: %w", i, err)
		}
	}
	return nil
}

func hasKey(certificate *x509.Certificate, private any) bool {
	signer, ok := private.(crypto.Signer)
	if !ok {
		return false
	}
	public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(certificate.PublicKey)
}

// fromPFX writes keys as PKCS#8, then the certificates from the key's own to the root.
func fromPFX(pfx []byte) ([]byte, error) {
	blocks, err := pkcs12.ToPEM(pfx, "")
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	var private any
	var pool []*x509.Certificate
	for _, block := range blocks {
		if block.Type == "CERTIFICATE" {
			certificate, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, err
			}
			pool = append(pool, certificate)
			continue
		}
		if private, err = x509.ParsePKCS1PrivateKey(block.Bytes); err != nil {
			if private, err = x509.ParseECPrivateKey(block.Bytes); err != nil {
				return nil, err
			}
		}
		der, err := x509.MarshalPKCS8PrivateKey(private)
		if err != nil {
			return nil, err
		}
		if err := pem.Encode(&text, &pem.Block{Type: "PRIVATE KEY", Bytes: der}); err != nil {
			return nil, err
		}
	}
	var last *x509.Certificate
	for len(pool) > 0 {
		next := -1
		for i, certificate := range pool {
			if last == nil && hasKey(certificate, private) ||
				last != nil && last.CheckSignatureFrom(certificate) == nil {
				next = i
			}
		}
		if next < 0 {
			return nil, errors.New("the certificates form no chain")
		}
		last = pool[next]
		pool = append(pool[:next], pool[next+1:]...)
		if err := pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: last.Raw}); err != nil {
			return nil, err
		}
	}
	return text.Bytes(), nil
}
