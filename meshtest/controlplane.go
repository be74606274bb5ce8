package meshtest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/faultline-mesh/faultline/meshtest/internal/process"
)

// ports of the control plane on the node's address.
type ports struct{ etcd, etcdPeer, api, xds, istiod, webhook, monitoring, ctrlz, kubelet int }

// controlPlane is etcd, kube-apiserver and istiod of one mesh.
type controlPlane struct {
	binary  string
	dir     string // working directory, certificates and logs
	seed    string // etcd data directory to start from, or empty
	address string
	ports   ports
	spawner *process.Spawner

	ca     *authority
	config *rest.Config

	etcd, api, istiod *process.Process
}

// start starts etcd and the API server; see awaitAPI.
func (c *controlPlane) start() error {
	if err := c.prepare(); err != nil {
		return err
	}
	if err := c.startEtcd(); err != nil {
		return err
	}
	return c.startAPIServer()
}

// prepare chooses ports, issues certificates and writes the kubeconfig.
func (c *controlPlane) prepare() error {
	p := &c.ports
	wanted := []struct {
		port      *int
		preferred int
	}{
		{&p.etcd, 2379},
		{&p.etcdPeer, 2380},
		{&p.api, 6443},
		{&p.xds, 15010},
		{&p.istiod, 15080},
		{&p.webhook, 15017},
		{&p.monitoring, 15014},
		{&p.ctrlz, 9876},
		{&p.kubelet, 10250},
	}
	for _, w := range wanted {
		port, err := freePort(c.address, w.preferred)
		if err != nil {
			return err
		}
		*w.port = port
	}
	var err error
	if c.ca, err = newAuthority(filepath.Join(c.dir, "certs")); err != nil {
		return err
	}
	admin, err := c.ca.issue("admin", nil, "system:masters")
	if err != nil {
		return err
	}
	c.config = &rest.Config{
		Host: "https://" + c.hostPort(p.api),
		TLSClientConfig: rest.TLSClientConfig{
			CAData: c.ca.pem, CertData: admin.cert, KeyData: admin.key,
		},
		QPS: 500, Burst: 1000,
	}
	return writeKubeconfig(c.config, c.kubeconfig())
}

func (c *controlPlane) kubeconfig() string { return filepath.Join(c.dir, "kubeconfig") }

func (c *controlPlane) hostPort(port int) string {
	return net.JoinHostPort(c.address, strconv.Itoa(port))
}

func (c *controlPlane) command(component string, env []string, args ...string) process.Command {
	return process.Command{
		Name: component, Path: c.binary, Args: append([]string{component}, args...),
		Env: append(hostEnv(), env...), Dir: c.dir, Log: filepath.Join(c.dir, "logs", component+".log"),
	}
}

func (c *controlPlane) startEtcd() (err error) {
	data := filepath.Join(c.dir, "etcd")
	if c.seed != "" {
		if err := copySeed(c.seed, data); err != nil {
			return fmt.Errorf("etcd: copy seed: %w", err)
		}
	}
	client, peer := "http://"+c.hostPort(c.ports.etcd), "http://"+c.hostPort(c.ports.etcdPeer)
	c.etcd, err = c.spawner.Start(c.command("etcd", nil,
		"--data-dir", data, "--unsafe-no-fsync", "--log-level", "warn",
		"--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer))
	return err
}

func (c *controlPlane) startAPIServer() error {
	serving, err := c.ca.issue("kube-apiserver", []string{c.address, "localhost", "kubernetes.default.svc"})
	if err != nil {
		return err
	}
	kubelet, err := c.ca.issue("kube-apiserver-kubelet-client", nil, "system:masters")
	if err != nil {
		return err
	}
	account, err := c.ca.signingKey()
	if err != nil {
		return err
	}
	c.api, err = c.spawner.Start(c.command("kube-apiserver", nil,
		"--etcd-servers=http://"+c.hostPort(c.ports.etcd),
		"--bind-address="+c.address, "--secure-port="+strconv.Itoa(c.ports.api),
		"--endpoint-reconciler-type=none",
		"--tls-cert-file="+serving.certFile, "--tls-private-key-file="+serving.keyFile,
		"--client-ca-file="+c.ca.file(), "--cert-dir="+c.ca.dir,
		"--kubelet-certificate-authority="+c.ca.file(), "--kubelet-preferred-address-types=InternalIP",
		"--kubelet-client-certificate="+kubelet.certFile, "--kubelet-client-key="+kubelet.keyFile,
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+account.certFile, "--service-account-signing-key-file="+account.keyFile,
		"--authorization-mode=RBAC", "--allow-privileged=true", "--disable-admission-plugins=ServiceAccount",
		"--service-cluster-ip-range=10.0.0.0/16", "--service-node-port-range=1024-65535",
		"--enable-priority-and-fairness=false", "--profiling=false"))
	return err
}

// awaitAPI returns when the API server says that it is ready.
func (c *controlPlane) awaitAPI(ctx context.Context) error {
	client, err := rest.HTTPClientFor(c.config)
	if err != nil {
		return err
	}
	return c.await(ctx, c.api, client, c.config.Host+"/readyz")
}

// awaitIstiod returns when istiod says that it is ready.
func (c *controlPlane) awaitIstiod(ctx context.Context) error {
	return c.await(ctx, c.istiod, http.DefaultClient, "http://"+c.hostPort(c.ports.istiod)+"/ready")
}

func (c *controlPlane) await(ctx context.Context, p *process.Process, client *http.Client, url string) error {
	return p.Ready(ctx, func(ctx context.Context) error {
		for _, other := range []*process.Process{c.etcd, c.api, c.istiod} {
			if other != nil && other != p {
				if err := other.Exited(); err != nil {
					return err
				}
			}
		}
		_, err := get(ctx, client, url)
		return err
	})
}

// get reads a URL and insists on status 200.
func get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s: %.300s", url, answer.Status, body)
	}
	return body, nil
}

// hostEnv is what every process gets from the environment of its owner: enough
// to run, nothing that would change how it behaves.
func hostEnv() []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "LANG", "TZ"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// writeKubeconfig writes a kubeconfig that needs no other file.
func writeKubeconfig(config *rest.Config, file string) error {
	const name = "faultline"
	kube := clientcmdapi.NewConfig()
	kube.Clusters[name] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	kube.AuthInfos[name] = &clientcmdapi.AuthInfo{ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}
	kube.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	kube.CurrentContext = name
	if err := clientcmd.WriteToFile(*kube, file); err != nil {
		return fmt.Errorf("kubeconfig: %w", err)
	}
	return nil
}

func base64PEM(pem []byte) string { return base64.StdEncoding.EncodeToString(pem) }
