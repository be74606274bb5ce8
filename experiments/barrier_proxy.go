// The barrier at one proxy: look, and look again, until it shows what it should.

package experiments

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/faultline-mesh/faultline/observe"
)

// spell is the wait for one proxy. It is its goroutine's own until that ends, but
// for the last two fields, which are the crossing's.
type spell struct {
	proxy  observe.Proxy
	sights []sight // that are still waited for
	ctx    context.Context
	leave  context.CancelCauseFunc

	affected bool                // it had to show something
	took     time.Duration       // until it showed all of it
	err      error               // of the last look; errUnread before there was one
	read     map[string]lastRead // by query
	instead  string              // what it shows when it lags
	down     bool                // it is not up yet, so that nothing passes it

	over bool // its goroutine has ended
	gone bool // the pod is gone
}

// errUnread is why nothing is known of a proxy at which nobody has looked.
var errUnread = errors.New("the time was over before its turn came")

// lastRead is what was read of one query last.
type lastRead struct {
	stamp string // when what it asks for changed last, as the proxy tells
	at    time.Time
}

// identity tells a proxy from another one of the same name.
func identity(p observe.Proxy) string { return p.String() + " " + p.UID }

// bySights puts together what is to be seen in one proxy.
func bySights(all []sight) []*spell {
	var spells []*spell
	at := map[string]*spell{}
	for _, s := range all {
		key := identity(s.proxy)
		if at[key] == nil {
			at[key] = &spell{proxy: s.proxy, err: errUnread}
			spells = append(spells, at[key])
		}
		at[key].sights = append(at[key].sights, s)
	}
	return spells
}

// follow looks at a proxy until it shows what it should, or is not affected, or
// nobody waits any more.
func (c *crossing) follow(s *spell) {
	for wait := barrierEvery; ; wait = min(wait*4/3, barrierMost) {
		if c.look(s) {
			s.took = time.Since(c.began)
			return
		}
		if pause(s.ctx, wait) != nil {
			return
		}
	}
}

// look reads the proxy once, when it is its turn, and reports whether there is
// nothing more to wait for.
func (c *crossing) look(s *spell) bool {
	select {
	case c.turns <- struct{}{}:
		defer func() { <-c.turns }()
	case <-s.ctx.Done():
		return false
	}
	ctx, cancel := context.WithTimeoutCause(s.ctx, barrierReading, fmt.Errorf("no answer within %s", barrierReading))
	defer cancel()
	left, err := c.unmet(ctx, s)
	switch {
	case s.ctx.Err() != nil && err != nil && s.err != nil:
		return false // why it could not be read before says more
	case err == nil:
		s.sights = left
	case notUp(s.proxy, err):
		s.down = true
		return true
	}
	s.err = err
	return err == nil && len(left) == 0
}

// notUp says whether an Envoy that could not be read is not up yet, or not any
// more: no request passes it, and when it is up it begins with what is in force.
// One that hangs is something else.
func notUp(p observe.Proxy, err error) bool {
	text := strings.ToLower(err.Error())
	return !p.Ready && (strings.Contains(text, "connection refused") || strings.Contains(text, "answered 503"))
}

// unmet returns the sights that the proxy does not meet yet. Those of a service
// that it does not know are none of its own.
func (c *crossing) unmet(ctx context.Context, s *spell) ([]sight, error) {
	read := map[string][]byte{} // by query: one dump may serve several; nil when it is what it was
	var left []sight
	for _, one := range s.sights {
		if knows, err := c.knows(ctx, one); err != nil {
			return nil, err
		} else if !knows {
			continue
		}
		s.affected = true
		query := c.places.query(one)
		dump, done := read[query]
		if !done {
			var err error
			if dump, err = c.news(ctx, s, one, query); err != nil {
				return nil, err
			}
			read[query] = dump
		}
		if dump == nil {
			left = append(left, one)
			continue
		}
		look := one.edit.ShownIn
		if !c.present {
			look = one.edit.LeftIn
		}
		shown, err := inForce(dump, look)
		if err != nil {
			return nil, err
		}
		if shown != c.present {
			left = append(left, one)
		}
	}
	return left, nil
}

// unchangedMost is how long a proxy's word is taken that nothing has changed: it
// counts in milliseconds.
const unchangedMost = time.Second

// news reads what a query asks for, or returns nil when that is what it was at the
// last look. Route tables of big meshes are big; when they changed is not.
func (c *crossing) news(ctx context.Context, s *spell, one sight, query string) ([]byte, error) {
	now := time.Now()
	if last := s.read[query]; last.stamp != "" && now.Sub(last.at) < unchangedMost {
		dump, err := c.mesh.ConfigDump(ctx, s.proxy, stampQuery(query))
		if err != nil || stampOf(dump) == last.stamp {
			return nil, err
		}
	}
	dump, err := c.mesh.ConfigDump(ctx, s.proxy, query)
	if err != nil {
		return nil, err
	}
	c.places.learn(one, query, dump)
	if s.read == nil {
		s.read = map[string]lastRead{}
	}
	s.read[query] = lastRead{stamp: stampOf(dump), at: now}
	return dump, nil
}

// knows reports whether a proxy has a cluster for the service of a sight: what
// was found in the baseline, or is asked once.
func (t *trial) knows(ctx context.Context, s sight) (bool, error) {
	if s.service == "" || t.places.knows(s) {
		return true, nil
	}
	if _, err := t.mesh.Get(ctx, s.proxy, "/ready"); err != nil {
		return false, err // what it will know is not said before it has its configuration
	}
	dump, err := t.mesh.ConfigDump(ctx, s.proxy, clustersQuery(s.service))
	if err != nil {
		return false, err
	}
	knows, err := inForce(dump, func(cluster []byte) bool { return len(cluster) > 0 })
	if knows {
		t.places.know(s)
	}
	return knows, err
}
