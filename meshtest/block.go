package meshtest

import (
	"fmt"
	"net"
	"strconv"
)

// Blocks are the second byte of 127.0.0.0/8, which Linux has on its loopback
// interface as a whole. Low ones are left to people's own use.
const (
	firstBlock = 20
	lastBlock  = 219
)

// block is a /16 of loopback addresses that one mesh has for itself:
//
//	127.B.0.1    the node: etcd, API server, istiod, kubelet endpoint, gateway
//	127.B.P.Q    a pod's address (P from 1 to 63)
//	127.B.P+64.Q the same pod's outbound listeners
type block struct {
	number int
	lock   net.Listener
}

// takeBlock reserves a free block until release, or until this process ends. The
// lock is a name among the kernel's abstract sockets (unix(7)): like the loopback
// addresses themselves it belongs to the network namespace, whoever the user is
// and wherever temporary files go, and it goes with its owner.
func takeBlock() (*block, error) {
	for n := firstBlock; n <= lastBlock; n++ {
		if lock, err := net.Listen("unix", fmt.Sprintf("@faultline/block/%d", n)); err == nil {
			return &block{number: n, lock: lock}, nil
		}
	}
	return nil, fmt.Errorf("all loopback blocks from 127.%d.0.0/16 to 127.%d.0.0/16 are taken by other meshes; "+
		"end one with `faultline mesh down`", firstBlock, lastBlock)
}

func (b *block) release() error { return b.lock.Close() }

// node is the address of everything that is not a pod.
func (b *block) node() string { return fmt.Sprintf("127.%d.0.1", b.number) }

// pod is the address of the n-th pod, n from 0.
func (b *block) pod(n int) (string, error) {
	if n >= 63*250 {
		return "", fmt.Errorf("a loopback mesh has room for %d pods", 63*250)
	}
	return fmt.Sprintf("127.%d.%d.%d", b.number, 1+n/250, 1+n%250), nil
}

// outbound is where the sidecar of the n-th pod listens for that pod's calls.
func (b *block) outbound(n int) string {
	return fmt.Sprintf("127.%d.%d.%d", b.number, 65+n/250, 1+n%250)
}

// freePort returns the preferred port of an address when nobody has it, else
// any free one. A program that listens on all addresses takes a port from every
// block.
func freePort(address string, preferred int) (int, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(preferred)))
	if err != nil {
		l, err = net.Listen("tcp", net.JoinHostPort(address, "0"))
	}
	if err != nil {
		return 0, fmt.Errorf("free port on %s: %w", address, err)
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// checkPort says who wants a port that somebody else already has.
func checkPort(address string, port int, who string) error {
	hostport := net.JoinHostPort(address, strconv.Itoa(port))
	l, err := net.Listen("tcp", hostport)
	if err != nil {
		return fmt.Errorf("%s: port %d on %s is in use by another program (%w); find it with `ss -ltnp 'sport = :%d'` "+
			"and end it, or choose another port in the manifest", who, port, address, err, port)
	}
	return l.Close()
}
