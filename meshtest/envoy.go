package meshtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/url"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/faultline-mesh/faultline/meshtest/internal/process"
)

// What Istio's own bootstrap lets a proxy export (istio pkg/bootstrap/config.go,
// requiredEnvoyStatsMatcherInclusion…): nothing of clusters or fault filters.
var (
	statsPrefixes = []string{"cluster_manager", "listener_manager", "server", "cluster.xds-grpc", "wasm", "reporter=", "component", "istio"}
	statsSuffixes = []string{"rbac.allowed", "rbac.denied", "shadow_allowed", "shadow_denied"}
	statsRegexps  = []string{`vhost\..*\.route\..*`}
)

// proxyNode is Envoy's node as istiod wants it (pilot/pkg/model/context.go).
type proxyNode struct {
	ID       string         `json:"id"`
	Cluster  string         `json:"cluster"`
	Metadata map[string]any `json:"metadata"`
}

func sidecarNode(pod *corev1.Pod, ip string) proxyNode { return newNode("sidecar", pod, ip) }

func gatewayNode(pod *corev1.Pod, ip string) proxyNode { return newNode("router", pod, ip) }

func newNode(kind string, pod *corev1.Pod, ip string) proxyNode {
	return proxyNode{
		ID:      fmt.Sprintf("%s~%s~%s.%s~%s.svc.cluster.local", kind, ip, pod.Name, pod.Namespace, pod.Namespace),
		Cluster: pod.Name + "." + pod.Namespace,
		Metadata: map[string]any{
			"NAMESPACE": pod.Namespace, "NAME": pod.Name, "LABELS": maps.Clone(pod.Labels),
			"CLUSTER_ID": "Kubernetes", "INSTANCE_IPS": ip, "INTERCEPTION_MODE": "NONE",
			"ISTIO_VERSION": IstioVersion, "MESH_ID": "cluster.local", "SERVICE_ACCOUNT": pod.Spec.ServiceAccountName,
		},
	}
}

type dict = map[string]any

// bootstrap renders Envoy's configuration file: everything but the node, the
// admin endpoint and istiod's address comes over xDS.
func bootstrap(node proxyNode, admin, xds string, allStats bool) ([]byte, error) {
	adminAddress, err := socketAddress(strings.TrimPrefix(admin, "http://"))
	if err != nil {
		return nil, err
	}
	xdsAddress, err := socketAddress(xds)
	if err != nil {
		return nil, err
	}
	ads := dict{"ads": dict{}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}
	grpc := dict{"envoy_grpc": dict{"cluster_name": "xds-grpc"}}
	config := dict{
		"node":  node,
		"admin": dict{"address": adminAddress},
		"layered_runtime": dict{"layers": []any{
			dict{"name": "global config", "static_layer": dict{"re2.max_program_size.error_level": "32768"}},
			dict{"name": "admin", "admin_layer": dict{}},
		}},
		"dynamic_resources": dict{
			"lds_config": ads, "cds_config": ads,
			"ads_config": dict{
				"api_type": "DELTA_GRPC", "transport_api_version": "V3",
				"set_node_on_first_message_only": true, "grpc_services": []any{grpc},
			},
		},
		"static_resources": dict{"clusters": []any{xdsCluster(xdsAddress)}},
	}
	if !allStats {
		config["stats_config"] = dict{"stats_matcher": dict{"inclusion_list": dict{"patterns": statsPatterns()}}}
	}
	return json.MarshalIndent(config, "", " ")
}

func xdsCluster(address dict) dict {
	return dict{
		"name": "xds-grpc", "type": "STATIC", "connect_timeout": "1s",
		"typed_extension_protocol_options": dict{
			"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": dict{
				"@type":                "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
				"explicit_http_config": dict{"http2_protocol_options": dict{}},
			},
		},
		"load_assignment": dict{
			"cluster_name": "xds-grpc",
			"endpoints":    []any{dict{"lb_endpoints": []any{dict{"endpoint": dict{"address": address}}}}},
		},
	}
}

func statsPatterns() []any {
	var patterns []any
	for _, p := range statsPrefixes {
		patterns = append(patterns, dict{"prefix": p})
	}
	for _, s := range statsSuffixes {
		patterns = append(patterns, dict{"suffix": s})
	}
	for _, r := range statsRegexps {
		patterns = append(patterns, dict{"safe_regex": dict{"regex": r}})
	}
	return patterns
}

func socketAddress(hostport string) (dict, error) {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, fmt.Errorf("envoy: address %q: %w", hostport, err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, fmt.Errorf("envoy: address %q: %w", hostport, err)
	}
	return dict{"socket_address": dict{"address": host, "port_value": number}}, nil
}

// envoyCommand starts Envoy as Istio does. Without the immediate drain a changed
// inbound listener would keep serving old connections with the old filters, and
// a fault on it would bite late.
func envoyCommand(binary, name, config, dir, log string) process.Command {
	return process.Command{
		Name: name, Path: binary, Dir: dir, Log: log, Stamp: true, Env: hostEnv(),
		Args: []string{
			"-c", config, "--disable-hot-restart", "--concurrency", "1", "-l", "warn",
			"--drain-time-s", "45", "--drain-strategy", "immediate", "--file-flush-interval-msec", "50",
		},
	}
}

// adminURL joins a path to an admin endpoint.
func adminURL(admin, path string) string {
	u, err := url.JoinPath(admin, path)
	if err != nil {
		return admin + path
	}
	return u
}
