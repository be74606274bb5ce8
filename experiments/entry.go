package experiments

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
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
	address, err := nodeAddress(ctx, client, service)
	if err != nil {
		return "", fmt.Errorf("gateway: Service %s has a node port, but %w", gateway, err)
	}
	return net.JoinHostPort(address, strconv.Itoa(int(port.NodePort))), nil
}

// nodeAddress is the address of a node, an external one before others. Whoever
// may not list nodes, which takes a ClusterRole, gets that of a node on which a
// pod of the Service runs.
func nodeAddress(ctx context.Context, client kubernetes.Interface, service *corev1.Service) (string, error) {
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if apierrors.IsForbidden(err) {
		return podAddress(ctx, client, service)
	}
	if err != nil {
		return "", fmt.Errorf("nodes cannot be listed: %w", err)
	}
	for _, kind := range []corev1.NodeAddressType{corev1.NodeExternalIP, corev1.NodeInternalIP} {
		for _, node := range nodes.Items {
			for _, address := range node.Status.Addresses {
				if address.Type == kind {
					return address.Address, nil
				}
			}
		}
	}
	return "", errors.New("no node has an address")
}

func podAddress(ctx context.Context, client kubernetes.Interface, service *corev1.Service) (string, error) {
	selector := labels.SelectorFromSet(service.Spec.Selector).String()
	pods, err := client.CoreV1().Pods(service.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return "", fmt.Errorf("nodes cannot be listed, and neither can its pods: %w", err)
	}
	for _, pod := range pods.Items {
		if pod.Status.HostIP != "" && pod.DeletionTimestamp == nil {
			return pod.Status.HostIP, nil
		}
	}
	return "", errors.New("nodes cannot be listed, and no pod of it runs on one")
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
