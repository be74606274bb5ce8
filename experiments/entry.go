package experiments

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// entry finds the address at which a gateway's Service is reached from outside,
// as "host:port" for the load to dial in place of its URL's host.
func entry(ctx context.Context, client kubernetes.Interface, gateway, target string) (string, error) {
	namespace, name, _ := strings.Cut(gateway, "/")
	service, err := client.CoreV1().Services(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("gateway: Service %s: %w", gateway, err)
	}
	port, err := gatewayPort(service, target)
	if err != nil {
		return "", err
	}
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		for _, host := range []string{ingress.IP, ingress.Hostname} {
			if host != "" {
				return net.JoinHostPort(host, strconv.Itoa(int(port.Port))), nil
			}
		}
	}
	if port.NodePort == 0 {
		return "", fmt.Errorf("gateway: Service %s has neither a load balancer's address nor a node port, so it cannot be reached from "+
			"outside; leave gateway out and set load.connectTo to a host:port that reaches it", gateway)
	}
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", fmt.Errorf("gateway: list nodes: %w", err)
	}
	for _, kind := range []corev1.NodeAddressType{corev1.NodeExternalIP, corev1.NodeInternalIP} {
		for _, node := range nodes.Items {
			for _, address := range node.Status.Addresses {
				if address.Type == kind {
					return net.JoinHostPort(address.Address, strconv.Itoa(int(port.NodePort))), nil
				}
			}
		}
	}
	return "", fmt.Errorf("gateway: Service %s has a node port, but no node has an address", gateway)
}

// gatewayPort is the Service's port for the URL: its own number, or the one that
// its scheme stands for.
func gatewayPort(service *corev1.Service, target string) (corev1.ServicePort, error) {
	u, err := url.Parse(target)
	if err != nil {
		return corev1.ServicePort{}, fmt.Errorf("load.url: %w", err)
	}
	wanted := u.Port()
	if wanted == "" {
		wanted = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	var found []string
	for _, port := range service.Spec.Ports {
		if strconv.Itoa(int(port.Port)) == wanted {
			return port, nil
		}
		found = append(found, strconv.Itoa(int(port.Port)))
	}
	return corev1.ServicePort{}, fmt.Errorf("gateway: Service %s/%s has ports %s, and load.url wants %s",
		service.Namespace, service.Name, strings.Join(found, ", "), wanted)
}
