package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azcertificates"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

type objects struct {
	// Entries of each page.
	SecretPages  []int `json:"secretPages"`
	VersionPages []int `json:"versionPages"`
	// The version that was set is the latest and the one that its id leads to.
	SetIsLatest bool     `json:"setIsLatest"`
	ContentType string   `json:"contentType"`
	KeyKinds    []string `json:"keyKinds"`
	Certificate string   `json:"certificate"`
	// How often the creation was looked at until it was complete.
	Polls int `json:"polls"`
}

func (p plan) objects(ctx context.Context) (any, error) {
	var result objects
	for _, f := range []func(context.Context, *objects) error{p.seeSecrets, p.seeKeys, p.seeCertificate} {
		if err := f(ctx, &result); err != nil {
			return nil, err
		}
	}
	return result, nil
}

func (p plan) seeSecrets(ctx context.Context, result *objects) error {
	client, err := p.secrets(p.Vault)
	if err != nil {
		return err
	}
	for pager := client.NewListSecretPropertiesPager(nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("listing secrets: %w", err)
		}
		result.SecretPages = append(result.SecretPages, len(page.Value))
	}
	for pager := client.NewListSecretPropertiesVersionsPager("many", nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("listing versions: %w", err)
		}
		result.VersionPages = append(result.VersionPages, len(page.Value))
	}
	shared, err := client.GetSecret(ctx, "shared", "", nil)
	if err != nil {
		return err
	}
	set, err := client.SetSecret(ctx, "set-by-go", azsecrets.SetSecretParameters{
		Value: shared.Value, ContentType: to.Ptr("text/plain"),
	}, nil)
	if err != nil {
		return err
	}
	latest, err := client.GetSecret(ctx, "set-by-go", "", nil)
	if err != nil {
		return err
	}
	pinned, err := client.GetSecret(ctx, "set-by-go", set.ID.Version(), nil)
	if err != nil {
		return err
	}
	result.SetIsLatest = *latest.ID == *set.ID && *pinned.ID == *set.ID && *pinned.Value == *shared.Value
	result.ContentType = *latest.ContentType
	return nil
}

func (p plan) seeKeys(ctx context.Context, result *objects) error {
	client, err := p.keys()
	if err != nil {
		return err
	}
	for name, parameters := range map[string]azkeys.CreateKeyParameters{
		"go-rsa": {Kty: to.Ptr(azkeys.KeyTypeRSA), KeySize: to.Ptr(int32(2048))},
		"go-ec":  {Kty: to.Ptr(azkeys.KeyTypeEC), Curve: to.Ptr(azkeys.CurveNameP256)},
	} {
		created, err := client.CreateKey(ctx, name, parameters, nil)
		if err != nil {
			return fmt.Errorf("creating %s: %w", name, err)
		}
		got, err := client.GetKey(ctx, name, created.Key.KID.Version(), nil)
		if err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		before, err := publicPEM(created.Key)
		if err != nil {
			return err
		}
		after, err := publicPEM(got.Key)
		if err != nil {
			return err
		}
		if before != after {
			return fmt.Errorf("%s is another key when it is read", name)
		}
	}
	for pager := client.NewListKeyPropertiesPager(nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("listing keys: %w", err)
		}
		for _, key := range page.Value {
			result.KeyKinds = append(result.KeyKinds, key.KID.Name())
		}
	}
	return nil
}

func (p plan) seeCertificate(ctx context.Context, result *objects) error {
	client, err := p.certificates()
	if err != nil {
		return err
	}
	_, err = client.CreateCertificate(ctx, "go-made", azcertificates.CreateCertificateParameters{
		CertificatePolicy: &azcertificates.CertificatePolicy{
			IssuerParameters: &azcertificates.IssuerParameters{Name: to.Ptr("Self")},
			KeyProperties: &azcertificates.KeyProperties{
				KeyType: to.Ptr(azcertificates.KeyTypeEC),
				Curve:   to.Ptr(azcertificates.CurveNameP256),
			},
			SecretProperties: &azcertificates.SecretProperties{ContentType: to.Ptr("application/x-pem-file")},
			X509CertificateProperties: &azcertificates.X509CertificateProperties{
				Subject:          to.Ptr("CN=made-by-go.example.org"),
				ValidityInMonths: to.Ptr(int32(12)),
			},
		},
	}, nil)
	if err != nil {
		return fmt.Errorf("creating a certificate: %w", err)
	}
	for status := ""; status != "completed"; {
		operation, err := client.GetCertificateOperation(ctx, "go-made", nil)
		if err != nil {
			return err
		}
		result.Polls++
		if status = *operation.Status; status == "inProgress" {
			time.Sleep(100 * time.Millisecond)
		} else if status != "completed" {
			return fmt.Errorf("the creation of the certificate is %s", status)
		}
	}
	got, err := client.GetCertificate(ctx, "go-made", "", nil)
	if err != nil {
		return err
	}
	certificate, err := x509.ParseCertificate(got.CER)
	if err != nil {
		return err
	}
	if err := certificate.CheckSignature(certificate.SignatureAlgorithm,
		certificate.RawTBSCertificate, certificate.Signature); err != nil {
		return fmt.Errorf("the certificate is not signed by its own key: %w", err)
	}
	result.Certificate = certificate.Subject.String()
	return nil
}

// publicKeys returns the vault's keys as PEM by name.
func (p plan) publicKeys(ctx context.Context) (any, error) {
	client, err := p.keys()
	if err != nil {
		return nil, err
	}
	result := make(map[string]string)
	for pager := client.NewListKeyPropertiesPager(nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, item := range page.Value {
			key, err := client.GetKey(ctx, item.KID.Name(), "", nil)
			if err != nil {
				return nil, err
			}
			if result[item.KID.Name()], err = publicPEM(key.Key); err != nil {
				return nil, err
			}
		}
	}
	return result, nil
}

func publicPEM(key *azkeys.JSONWebKey) (string, error) {
	public, err := publicKey(key)
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), nil
}

func publicKey(key *azkeys.JSONWebKey) (any, error) {
	switch *key.Kty {
	case azkeys.KeyTypeRSA, azkeys.KeyTypeRSAHSM:
		if len(key.N)%8 != 0 {
			return nil, fmt.Errorf("the modulus has %d bytes", len(key.N))
		}
		e := new(big.Int).SetBytes(key.E).Int64()
		return &rsa.PublicKey{N: new(big.Int).SetBytes(key.N), E: int(e)}, nil
	case azkeys.KeyTypeEC, azkeys.KeyTypeECHSM:
		curve, ok := map[azkeys.CurveName]elliptic.Curve{
			azkeys.CurveNameP256: elliptic.P256(),
			azkeys.CurveNameP384: elliptic.P384(),
			azkeys.CurveNameP521: elliptic.P521(),
		}[*key.Crv]
		if !ok {
			return nil, fmt.Errorf("curve %s", *key.Crv)
		}
		size := (curve.Params().BitSize + 7) / 8
		if len(key.X) != size || len(key.Y) != size {
			return nil, errors.New("a coordinate is not of the curve's size")
		}
		// Fails for a point that is not on the curve.
		return ecdsa.ParseUncompressedPublicKey(curve, append(append([]byte{4}, key.X...), key.Y...))
	}
	return nil, fmt.Errorf("key type %s", *key.Kty)
}
