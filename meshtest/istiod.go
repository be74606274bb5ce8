package meshtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// rootNamespace is where Istio's own things live.
const rootNamespace = "istio-system"

// meshConfig is the MeshConfig of every local mesh.
const meshConfig = `accessLogFile: /dev/stdout
enableAutoMtls: false
rootNamespace: istio-system
trustDomain: cluster.local
outboundTrafficPolicy:
  mode: REGISTRY_ONLY
defaultConfig:
  discoveryAddress: %s
`

// istiodEnv turns off what needs a real cluster (certificates, injection,
// leaders) and what a stock Envoy does not have (Istio's metadata exchange and
// ALPN filters); the debounce makes a change effective in about 30 ms.
func istiodEnv() []string {
	return []string{
		"POD_NAMESPACE=" + rootNamespace, "POD_NAME=istiod-local", "CLUSTER_ID=Kubernetes",
		"VALIDATION_WEBHOOK_CONFIG_NAME=", "INJECTION_WEBHOOK_CONFIG_NAME=", "INJECT_ENABLED=false",
		"ENABLE_CA_SERVER=false", "ENABLE_LEADER_ELECTION=false",
		"PILOT_ENABLE_GATEWAY_API=false", "PILOT_ENABLE_IP_AUTOALLOCATE=false",
		"PILOT_ENABLE_METADATA_EXCHANGE=false", "PILOT_ENABLE_ALPN_FILTER=false", "PILOT_DISABLE_MX_ALPN=true",
		"PILOT_DEBOUNCE_AFTER=10ms",
	}
}

// meshConfig is the configuration of the mesh.
func (c *controlPlane) meshConfig() string { return fmt.Sprintf(meshConfig, c.hostPort(c.ports.xds)) }

// meshConfigMap is where a cluster has it for everybody to read. istiod here goes
// by its file.
func (c *controlPlane) meshConfigMap() string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: istio\n  namespace: %s\ndata:\n  mesh: |\n    %s",
		rootNamespace, strings.ReplaceAll(c.meshConfig(), "\n", "\n    "))
}

// startIstiod starts istiod, which waits for the API server on its own. Its
// validation is served with a certificate of ours, so that the webhook of
// base.go can call it.
func (c *controlPlane) startIstiod() error {
	file := filepath.Join(c.dir, "mesh.yaml")
	if err := os.WriteFile(file, []byte(c.meshConfig()), 0o600); err != nil {
		return fmt.Errorf("istiod: %w", err)
	}
	serving, err := c.ca.issue("istiod", []string{c.address, "istiod.istio-system.svc"})
	if err != nil {
		return err
	}
	c.istiod, err = c.spawner.Start(c.command("istiod", istiodEnv(), "discovery",
		"--kubeconfig", c.kubeconfig(), "--meshConfig", file, "--networksConfig", filepath.Join(c.dir, "none"),
		"--httpAddr", c.hostPort(c.ports.istiod), "--grpcAddr", c.hostPort(c.ports.xds), "--secureGRPCAddr", "",
		"--httpsAddr", c.hostPort(c.ports.webhook), "--monitoringAddr", c.hostPort(c.ports.monitoring),
		"--tlsCertFile", serving.certFile, "--tlsKeyFile", serving.keyFile, "--caCertFile", c.ca.file(),
		"--ctrlz_address", c.address, "--ctrlz_port", strconv.Itoa(c.ports.ctrlz)))
	return err
}
