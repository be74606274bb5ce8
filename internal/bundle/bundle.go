package bundle

import (
	"encoding/json"
	"time"
)

// Bundle is what was asked of a run, what it told, and, unless it was Held, what
// the mesh showed right after it. Nothing in it is secret: see [Redact].
type Bundle struct {
	Run      string            `json:"run"`
	Asked    Asked             `json:"asked"`
	Story    []Moment          `json:"story"`              // what the run told, in order
	Took     string            `json:"took,omitempty"`     // to collect the rest; empty when nothing was collected
	Versions map[string]string `json:"versions,omitempty"` // by what they are of
	Proxies  []Proxy           `json:"proxies,omitempty"`
	Objects  []Object          `json:"objects,omitempty"`
	Events   []Event           `json:"events,omitempty"`
	Missing  []string          `json:"missing,omitempty"` // what could not be had, each with why
}

// Asked is what the experiment wanted.
type Asked struct {
	Faults []string `json:"faults,omitempty"`
	Hosts  []string `json:"hosts,omitempty"` // that are faulted, as the proxies name them
	Load   string   `json:"load"`
}

// Moment is something that the run told.
type Moment struct {
	At   time.Time `json:"at"`
	Step string    `json:"step"`
	Text string    `json:"text"`
}

// Proxy is what one proxy showed. Routes and clusters are files of their own.
type Proxy struct {
	Name         string         `json:"name"`              // "Pod namespace/name"
	Roles        []string       `json:"roles"`             // "makes the fault", "calls payments.shop"
	Envoy        string         `json:"envoy,omitempty"`   // its version
	Uptime       string         `json:"uptime,omitempty"`  // of Envoy
	Sync         string         `json:"sync,omitempty"`    // what istiod says of it
	Refused      bool           `json:"refused,omitempty"` // it refused configuration
	Pending      bool           `json:"pending,omitempty"` // it has not acknowledged all
	Transport    []string       `json:"transport"`         // for each cluster of a faulted host: "mTLS", "TLS" or "plain text"
	Certificates []Certificate  `json:"certificates"`      // none on plain text
	Flags        map[string]int `json:"flags,omitempty"`   // response flags in the access log of the run, but none
	Requests     int            `json:"requests"`          // in that log
	Met          int            `json:"met"`               // of them those that came to the fault
	Faulted      int            `json:"faulted"`           // of those, how many it hit
	AccessLog    []string       `json:"accessLog"`         // its last lines
	Marked       []string       `json:"marked,omitempty"`  // the last of those with a response flag
	Log          []string       `json:"log,omitempty"`     // other last lines
	Routes       []string       `json:"routes,omitempty"`  // names of the routes of the faulted hosts
	Dir          string         `json:"dir"`               // of its files, in the bundle's

	RouteConfig   []json.RawMessage `json:"-"`
	ClusterConfig []json.RawMessage `json:"-"`
}

// Certificate is one that a proxy holds.
type Certificate struct {
	Of      string    `json:"of"` // "chain" or "ca"
	Serial  string    `json:"serial,omitempty"`
	Names   []string  `json:"names,omitempty"`
	From    time.Time `json:"from"`
	Expires time.Time `json:"expires"`
}

// Object is one that rules a faulted host.
type Object struct {
	Ref   string   `json:"ref"` // "VirtualService shop/payments"
	Hosts []string `json:"hosts,omitempty"`
	Made  string   `json:"made,omitempty"` // when it was created, RFC 3339

	Content map[string]any `json:"-"`
}

// Event is one of Kubernetes about a pod.
type Event struct {
	At      time.Time `json:"at"`
	Object  string    `json:"object"`
	Type    string    `json:"type"`
	Reason  string    `json:"reason"`
	Message string    `json:"message"`
	Count   int       `json:"count"`
}
