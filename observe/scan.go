package observe

import (
	"bytes"
	"errors"
	"hash/maphash"
	"net"
	"strconv"

	"github.com/mailru/easyjson/jlexer"
)

// scanner reads the answers of one proxy to /clusters, one after the other, ten
// times a second and more: it takes an answer apart without reflection, keeps the
// names that come again and again, and does not look at an answer that is the one
// before. Not safe for concurrent use.
type scanner struct {
	seed  maphash.Seed
	sum   uint64 // of the latest answer
	known bool   // there is one

	clusters  map[string]Cluster // by name; the zero Cluster for a name that is not istiod's
	addresses map[string]string  // by what is written for it
	hosts     []Host             // of the latest answer; used again
	entries   []entry            // of the latest answer that was cut
	key       []byte             // used again
}

func newScanner() *scanner {
	return &scanner{seed: maphash.MakeSeed(), clusters: map[string]Cluster{}, addresses: map[string]string{}}
}

// errScan is how a scan ends at what it does not expect.
var errScan = errors.New("unexpected")

// scan returns the hosts of an answer, in the order of the answer, which are good
// until the next scan. Same says that the answer is the one before, to the byte.
// What the quick way does not take, the slow one does, or says what is wrong.
func (s *scanner) scan(data []byte) (hosts []Host, same bool, err error) {
	sum := maphash.Bytes(s.seed, data)
	if s.known && sum == s.sum {
		return s.hosts, true, nil
	}
	s.known = false
	if err := s.answer(data); err != nil {
		if s.hosts, err = parseClusters(data); err != nil {
			return nil, false, err
		}
	}
	s.sum, s.known = sum, true
	s.forget()
	return s.hosts, false, nil
}

// forget drops the names of hosts that went, once they are the most.
func (s *scanner) forget() {
	const spare = 64
	if len(s.addresses) > 2*len(s.hosts)+spare {
		clear(s.addresses)
	}
	if len(s.clusters) > 2*len(s.hosts)+spare {
		clear(s.clusters)
	}
}

// answer reads what clustersAnswer has.
func (s *scanner) answer(data []byte) error {
	if s.hosts = s.hosts[:0]; s.changed(data) {
		return nil
	}
	s.hosts = s.hosts[:0]
	in := jlexer.Lexer{Data: data}
	found := false
	object(&in, func(name string) {
		if name != "cluster_statuses" || in.IsNull() {
			in.SkipRecursive()
			return
		}
		found = true
		list(&in, func() { s.cluster(&in) })
	})
	in.Consumed()
	if err := in.Error(); err != nil || !found {
		return errScan
	}
	return nil
}

// cluster reads the status of one cluster. Envoy writes its name first; hosts
// that come before a name are for the slow way.
func (s *scanner) cluster(in *jlexer.Lexer) {
	var cluster Cluster
	named := false
	object(in, func(name string) {
		switch name {
		case "name":
			cluster = s.clusterNamed(in.UnsafeBytes())
			named = true
		case "host_statuses":
			if !named {
				in.AddError(errScan)
				return
			}
			if cluster == (Cluster{}) {
				in.SkipRecursive()
				return
			}
			list(in, func() { s.host(in, cluster) })
		default:
			in.SkipRecursive()
		}
	})
}

func (s *scanner) clusterNamed(name []byte) Cluster {
	cluster, known := s.clusters[string(name)]
	if !known {
		cluster, _ = ParseCluster(string(name))
		s.clusters[string(name)] = cluster
	}
	return cluster
}

// host reads the status of one host.
func (s *scanner) host(in *jlexer.Lexer, cluster Cluster) {
	host := Host{Cluster: cluster}
	object(in, func(name string) {
		switch name {
		case "address":
			host.Address = s.address(in)
		case "stats":
			list(in, func() { counter(in, &host) })
		case "health_status":
			object(in, func(name string) {
				if name == "failed_outlier_check" && !in.IsNull() {
					host.Ejected = in.Bool()
					return
				}
				in.SkipRecursive()
			})
		default:
			in.SkipRecursive()
		}
	})
	s.hosts = append(s.hosts, host)
}

// counter reads one of a host's counters or gauges.
func counter(in *jlexer.Lexer, host *Host) {
	var into *uint64
	var value uint64
	object(in, func(name string) {
		switch {
		case name == "name" && !in.IsNull():
			into = host.stat(in.UnsafeString())
		case name == "value" && !in.IsNull():
			number, err := strconv.ParseUint(string(bytes.Trim(in.Raw(), `"`)), 10, 64)
			if err != nil {
				in.AddError(err)
			}
			value = number
		default:
			in.SkipRecursive()
		}
	})
	if into != nil {
		*into = value
	}
}

// address reads where a host is.
func (s *scanner) address(in *jlexer.Lexer) (address string) {
	object(in, func(name string) {
		switch name {
		case "socket_address":
			address = s.socket(in)
		default: // rare: the slow way knows them
			in.AddError(errScan)
		}
	})
	return address
}

func (s *scanner) socket(in *jlexer.Lexer) string {
	s.key = s.key[:0]
	var port uint16
	object(in, func(name string) {
		switch {
		case name == "address" && !in.IsNull():
			s.key = append(s.key, in.UnsafeBytes()...)
		case name == "port_value" && !in.IsNull():
			port = in.Uint16()
		default:
			in.SkipRecursive()
		}
	})
	host := len(s.key)
	s.key = strconv.AppendUint(append(s.key, ' '), uint64(port), 10)
	address, known := s.addresses[string(s.key)]
	if !known {
		address = net.JoinHostPort(string(bytes.Clone(s.key[:host])), strconv.Itoa(int(port)))
		s.addresses[string(s.key)] = address
	}
	return address
}

// object calls field with the name of each field of an object, to read its value.
// It takes null for an object without fields.
func object(in *jlexer.Lexer, field func(name string)) {
	if in.IsNull() {
		in.Skip()
		return
	}
	in.Delim('{')
	for in.Ok() && !in.IsDelim('}') {
		name := in.UnsafeFieldName(false)
		in.WantColon()
		field(name)
		in.WantComma()
	}
	in.Delim('}')
}

// list calls element for each element of a list, to read it. It takes null for an
// empty one.
func list(in *jlexer.Lexer, element func()) {
	if in.IsNull() {
		in.Skip()
		return
	}
	in.Delim('[')
	for in.Ok() && !in.IsDelim(']') {
		element()
		in.WantComma()
	}
	in.Delim(']')
}
