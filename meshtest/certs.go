package meshtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// authority signs the certificates of one mesh. Its key lives in memory only.
type authority struct {
	dir  string // where certificates and keys are written
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

// keyPair is a certificate and its key, as PEM and as files.
type keyPair struct {
	cert, key         []byte
	certFile, keyFile string
}

func newAuthority(dir string) (*authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("certificates: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("certificates: key: %w", err)
	}
	template := certificate("faultline local mesh")
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("certificates: authority: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("certificates: authority: %w", err)
	}
	a := &authority{dir: dir, cert: cert, key: key, pem: pemBlock("CERTIFICATE", der)}
	return a, os.WriteFile(a.file(), a.pem, 0o600)
}

// file holds the authority's own certificate.
func (a *authority) file() string { return filepath.Join(a.dir, "ca.crt") }

// issue signs a certificate for a name that serves the given addresses, or, with
// none, for a client; groups are Kubernetes' groups of that client.
func (a *authority) issue(name string, addresses []string, groups ...string) (keyPair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return keyPair{}, fmt.Errorf("certificate %s: key: %w", name, err)
	}
	template := certificate(name)
	template.Subject.Organization = groups
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	for _, address := range addresses {
		if ip := net.ParseIP(address); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, address)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return keyPair{}, fmt.Errorf("certificate %s: %w", name, err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return keyPair{}, fmt.Errorf("certificate %s: key: %w", name, err)
	}
	return writePair(a.dir, name, pemBlock("CERTIFICATE", der), pemBlock("PRIVATE KEY", keyDER))
}

// signingKey makes the pair with which the API server signs and checks service
// account tokens: the public half stands in certFile.
func (a *authority) signingKey() (keyPair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return keyPair{}, fmt.Errorf("service account key: %w", err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return keyPair{}, fmt.Errorf("service account key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return keyPair{}, fmt.Errorf("service account key: %w", err)
	}
	return writePair(a.dir, "service-account", pemBlock("PUBLIC KEY", public), pemBlock("EC PRIVATE KEY", private))
}

func writePair(dir, name string, cert, key []byte) (keyPair, error) {
	p := keyPair{
		cert: cert, key: key,
		certFile: filepath.Join(dir, name+".crt"), keyFile: filepath.Join(dir, name+".key"),
	}
	if err := os.WriteFile(p.certFile, cert, 0o600); err != nil {
		return p, fmt.Errorf("certificate %s: %w", name, err)
	}
	if err := os.WriteFile(p.keyFile, key, 0o600); err != nil {
		return p, fmt.Errorf("certificate %s: %w", name, err)
	}
	return p, nil
}

func certificate(name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.AddDate(1, 0, 0),
	}
}

func pemBlock(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
