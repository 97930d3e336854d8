// Command azure uses Entra, the managed identity endpoint and Key Vault through the Azure SDK for
// Go and prints what it saw as JSON; secret values as SHA-256 only.
//
//	azure identities PLAN     the vault's secret "shared", read by every kind of identity
//	azure objects PLAN        lists, versions, keys and certificates
//	azure refusals PLAN       the errors of what must fail
//	azure public-keys PLAN    the vault's keys as PEM, by name
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azcertificates"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

// plan says who signs in and where.
type plan struct {
	Vault        string            `json:"vault"`
	Vaults       map[string]string `json:"vaults"`
	Tenant       string            `json:"tenant"`
	Client       string            `json:"client"`
	ClientSecret string            `json:"clientSecret"`
	// A federated application and the file with its ServiceAccount token.
	Workload     string `json:"workload"`
	TokenFile    string `json:"tokenFile"`
	UserAssigned string `json:"userAssigned"`
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: azure identities|objects|refusals|public-keys PLAN")
		os.Exit(2)
	}
	result, err := run(os.Args[1], os.Args[2])
	if err == nil {
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(result)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(command, path string) (any, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var p plan
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	switch command {
	case "identities":
		return p.identities(ctx)
	case "objects":
		return p.objects(ctx)
	case "refusals":
		return p.refusals(ctx)
	case "public-keys":
		return p.publicKeys(ctx)
	}
	return nil, fmt.Errorf("no such command: %s", command)
}

func (p plan) clientSecret() (azcore.TokenCredential, error) {
	return azidentity.NewClientSecretCredential(p.Tenant, p.Client, p.ClientSecret, nil)
}

func (p plan) workloadIdentity() (azcore.TokenCredential, error) {
	return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
		TenantID: p.Tenant, ClientID: p.Workload, TokenFilePath: p.TokenFile,
	})
}

// managedIdentity asks the endpoint of AZURE_POD_IDENTITY_AUTHORITY_HOST. The SDK heeds no variable
// and would ask the real one.
func (p plan) managedIdentity(id azidentity.ManagedIDKind) (azcore.TokenCredential, error) {
	endpoint, err := url.Parse(os.Getenv("AZURE_POD_IDENTITY_AUTHORITY_HOST"))
	if err != nil || endpoint.Host == "" {
		return nil, errors.New("AZURE_POD_IDENTITY_AUTHORITY_HOST is not set")
	}
	return azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{
		ClientOptions: azcore.ClientOptions{Transport: redirect{endpoint}}, ID: id,
	})
}

// redirect sends everything to one host.
type redirect struct{ to *url.URL }

func (r redirect) Do(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.URL.Scheme, request.URL.Host, request.Host = r.to.Scheme, r.to.Host, ""
	return http.DefaultClient.Do(request)
}

// credential is the client secret, or the workload identity of a plan without one.
func (p plan) credential() (azcore.TokenCredential, error) {
	if p.ClientSecret == "" {
		return p.workloadIdentity()
	}
	return p.clientSecret()
}

func (p plan) secrets(vault string) (*azsecrets.Client, error) {
	credential, err := p.credential()
	if err != nil {
		return nil, err
	}
	return azsecrets.NewClient(vault, credential, nil)
}

func (p plan) keys() (*azkeys.Client, error) {
	credential, err := p.credential()
	if err != nil {
		return nil, err
	}
	return azkeys.NewClient(p.Vault, credential, nil)
}

func (p plan) certificates() (*azcertificates.Client, error) {
	credential, err := p.credential()
	if err != nil {
		return nil, err
	}
	return azcertificates.NewClient(p.Vault, credential, nil)
}

// identities returns the hash of the same secret by kind of identity.
func (p plan) identities(ctx context.Context) (any, error) {
	kinds := []struct {
		name string
		make func() (azcore.TokenCredential, error)
	}{
		{"client secret", p.clientSecret},
		{"workload identity", p.workloadIdentity},
		{"system-assigned", func() (azcore.TokenCredential, error) {
			return p.managedIdentity(nil)
		}},
		{"user-assigned", func() (azcore.TokenCredential, error) {
			return p.managedIdentity(azidentity.ClientID(p.UserAssigned))
		}},
	}
	result := make(map[string]string)
	for _, kind := range kinds {
		credential, err := kind.make()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", kind.name, err)
		}
		client, err := azsecrets.NewClient(p.Vault, credential, nil)
		if err != nil {
			return nil, err
		}
		secret, err := client.GetSecret(ctx, "shared", "", nil)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", kind.name, err)
		}
		result[kind.name] = hash(*secret.Value)
	}
	return result, nil
}

func hash(value string) string {
	sum := sha256.Sum256([]byte(value))
	return hex.EncodeToString(sum[:])
}

type refusal struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
}

// refusals returns the typed error of calls that must fail, by what they tried.
func (p plan) refusals(ctx context.Context) (any, error) {
	keys, err := p.keys()
	if err != nil {
		return nil, err
	}
	certificates, err := p.certificates()
	if err != nil {
		return nil, err
	}
	errs := make(map[string]error)
	_, errs["no key"] = keys.GetKey(ctx, "missing", "", nil)
	_, errs["no certificate"] = certificates.GetCertificate(ctx, "missing", "", nil)
	for name, vault := range p.Vaults {
		client, err := p.secrets(vault)
		if err != nil {
			return nil, err
		}
		_, errs["vault "+name] = client.GetSecret(ctx, "shared", "", nil)
	}
	client, err := p.secrets(p.Vault)
	if err != nil {
		return nil, err
	}
	_, errs["no secret"] = client.GetSecret(ctx, "missing", "", nil)
	_, errs["disabled"] = client.GetSecret(ctx, "disabled", "", nil)

	result := make(map[string]refusal)
	for name, err := range errs {
		var response *azcore.ResponseError
		if !errors.As(err, &response) {
			return nil, fmt.Errorf("%s: no ResponseError but %v", name, err)
		}
		result[name] = refusal{Status: response.StatusCode, Code: response.ErrorCode}
	}
	wrong, err := azidentity.NewClientSecretCredential(p.Tenant, p.Client, "not-the-secret", nil)
	if err != nil {
		return nil, err
	}
	signIn, err := azsecrets.NewClient(p.Vault, wrong, nil)
	if err != nil {
		return nil, err
	}
	_, err = signIn.GetSecret(ctx, "shared", "", nil)
	var failed *azidentity.AuthenticationFailedError
	if !errors.As(err, &failed) || failed.RawResponse == nil {
		return nil, fmt.Errorf("wrong client secret: no AuthenticationFailedError but %v", err)
	}
	result["wrong client secret"] = refusal{Status: failed.RawResponse.StatusCode}
	return result, nil
}
