package injector

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// DefaultClusterDomain is the DNS domain that clusters have unless told
// otherwise.
const DefaultClusterDomain = "cluster.local"

// DefaultRootNamespace is where Istio's own things live unless told otherwise.
const DefaultRootNamespace = "istio-system"

// Requests to the API server for each second, and at once, that an Injector
// allows itself when the configuration says nothing. client-go's own default is
// so low that a revert of many objects would queue behind itself.
const (
	defaultQPS   = 50
	defaultBurst = 100
)

// Injector plans faults, makes them and takes them out, in one cluster. It
// keeps nothing about them: all that is needed to revert is on the objects
// themselves. It is safe for concurrent use.
type Injector struct {
	client dynamic.Interface
	clock  *serverClock
	by     string
	domain string
	root   string

	leaseDuration time.Duration
}

// Option changes how an [Injector] works.
type Option func(*Injector) error

// WithBy sets what marks say about who made a fault. The default is
// user@host/pid of this process.
func WithBy(by string) Option {
	return func(i *Injector) error {
		if by == "" {
			return errors.New("by: is empty")
		}
		i.by = by
		return nil
	}
}

// WithClusterDomain sets the cluster's DNS domain; the default is
// [DefaultClusterDomain].
func WithClusterDomain(domain string) Option {
	return func(i *Injector) error {
		if bad := validation.IsDNS1123Subdomain(domain); len(bad) > 0 {
			return fmt.Errorf("cluster domain %q: %s", domain, bad[0])
		}
		i.domain = domain
		return nil
	}
}

// WithRootNamespace sets the root namespace of the mesh, what is written there
// rules every proxy. No fault is ever made in it; nor in [DefaultRootNamespace],
// which is the default.
func WithRootNamespace(namespace string) Option {
	return func(i *Injector) error {
		if text := wrongName(namespace); text != "" {
			return fmt.Errorf("root namespace %q: %s", namespace, text)
		}
		i.root = namespace
		return nil
	}
}

// New returns an Injector for the cluster that cfg leads to. Nothing is asked
// of the cluster yet. cfg is copied.
func New(cfg *rest.Config, options ...Option) (*Injector, error) {
	if cfg == nil {
		return nil, errors.New("injector: no configuration to reach a cluster with")
	}
	cfg = rest.CopyConfig(cfg)
	if cfg.QPS == 0 {
		cfg.QPS, cfg.Burst = defaultQPS, defaultBurst
	}
	if cfg.WarningHandler == nil && cfg.WarningHandlerWithContext == nil {
		cfg.WarningHandler = rest.NoWarnings{} // a library does not write to stderr
	}
	clock := &serverClock{}
	cfg.Wrap(clock.watch)
	client, err := dynamic.NewForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("injector: %w", err)
	}
	return newInjector(client, clock, options...)
}

// NewForClient returns an Injector that works through client. Whether a fault
// is expired is then judged by this machine's clock.
func NewForClient(client dynamic.Interface, options ...Option) (*Injector, error) {
	return newInjector(client, &serverClock{}, options...)
}

func newInjector(client dynamic.Interface, clock *serverClock, options ...Option) (*Injector, error) {
	i := &Injector{
		client: client, clock: clock, by: self(), domain: DefaultClusterDomain, root: DefaultRootNamespace,
		leaseDuration: DefaultLeaseDuration,
	}
	for _, option := range options {
		if err := option(i); err != nil {
			return nil, fmt.Errorf("injector: %w", err)
		}
	}
	return i, nil
}

// self returns user@host/pid of this process.
func self() string {
	name, host := fmt.Sprintf("uid-%d", os.Getuid()), "unknown-host"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	return fmt.Sprintf("%s@%s/%d", name, host, os.Getpid())
}

// Now returns the API server's time, good to about a second, as its last
// answer told it; this machine's before there was one. Marks are judged by it.
func (i *Injector) Now() time.Time { return i.clock.now() }

// Plan reads the cluster and decides what to write so that run's requests meet
// the faults, within limits. It writes nothing. until is when the faults are
// stale, whatever becomes of this process. A plan that cannot be made, or would
// not mean what it says, is a *[RefusedError] with every reason found; one for
// a namespace with a halt flag is a *[HaltedError]. Several runs can be planned
// at once.
func (i *Injector) Plan(ctx context.Context, run string, faults []Fault, limits BlastRadius, until time.Time) (Plan, error) {
	w, err := i.look(ctx, faults, bounds{limits, i.root})
	if err != nil {
		return Plan{}, fmt.Errorf("plan run %s: %w", run, err)
	}
	plan, err := makePlan(w, request{run: run, by: i.by, until: until, now: i.Now(), faults: faults, limits: limits, root: i.root})
	if err != nil {
		return Plan{}, err
	}
	err = i.mayWrite(ctx, plan.refs()...)
	if apierrors.IsForbidden(err) { // who may only look, may plan
		plan.Notes = append(plan.Notes, fmt.Sprintf("whether a halt flag is set cannot be told: %v", err))
		return plan, nil
	}
	if err != nil {
		return Plan{}, fmt.Errorf("plan run %s: %w", run, err)
	}
	return plan, nil
}

// refs returns the objects that the plan is going to write, the Lease first.
func (p Plan) refs() []Ref {
	if len(p.Edits) == 0 {
		return nil
	}
	refs := []Ref{p.Lease}
	for _, edit := range p.Edits {
		refs = append(refs, edit.Ref)
	}
	return refs
}
