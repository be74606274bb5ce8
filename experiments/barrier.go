// The barrier: when a change has reached every proxy that it is for.

package experiments

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/observe"
)

// Bounds of the barrier.
const (
	barrierEvery   = 5 * time.Millisecond   // between the first two looks at one proxy; later ones are further apart
	barrierMost    = 200 * time.Millisecond // between two looks at one proxy, at most
	barrierWidth   = 32                     // proxies read side by side
	barrierReading = 2 * time.Second        // for one look at one proxy: a stuck one must not hold up the others
	rosterEvery    = 500 * time.Millisecond // between two looks at which proxies there are
	rosterFresh    = 150 * time.Millisecond // a look that is no older need not be repeated at the end
	istiodBudget   = 2 * time.Second        // for asking istiod about those that lag
)

// await returns when every affected proxy shows the plan's faults (or, after a
// revert, shows them no longer), or ctx ends. Istio has no such barrier: only the
// proxies themselves know what is in force. Proxies that are born meanwhile are
// waited for, too, and those that go are not.
func (t *trial) await(ctx context.Context, present bool) Convergence {
	defer t.watch.start("barrier")()
	c := &crossing{
		trial: t, present: present, began: time.Now(), turns: make(chan struct{}, barrierWidth),
		ended: make(chan *spell), spells: map[string]*spell{},
	}
	if err := c.roll(ctx); err != nil {
		return Convergence{Late: []string{fmt.Sprintf("the proxies cannot be listed: %v", err)}}
	}
	c.run(ctx)
	return c.convergence(ctx)
}

// crossing is one change on its way to the proxies.
type crossing struct {
	*trial
	present bool
	began   time.Time
	turns   chan struct{} // a token for each reading under way
	ended   chan *spell   // spells that are over

	proxies []observe.Proxy   // as they were listed last
	listed  time.Time         // when they were
	spells  map[string]*spell // by identity of the proxy
	running int
}

// roll lists the proxies, begins to wait for those that are new, and ends the
// wait for those that are gone.
func (c *crossing) roll(ctx context.Context) error {
	listed := time.Now()
	proxies, err := c.everywhere(ctx)
	if err != nil {
		return err
	}
	c.proxies, c.listed = proxies, listed
	there := map[string]bool{}
	for _, s := range bySights(sights(c.plan.Edits, c.experiment.Faults, proxies)) {
		key := identity(s.proxy)
		there[key] = true
		known := c.spells[key]
		cameUp := known != nil && known.over && known.down && known.proxy.Ready != s.proxy.Ready
		if known != nil && !cameUp {
			continue
		}
		c.spells[key] = s
		c.running++
		s.ctx, s.leave = context.WithCancelCause(ctx)
		go func() { c.follow(s); c.ended <- s }()
	}
	for key, s := range c.spells {
		if !there[key] {
			s.gone = true
			s.leave(errGone)
		}
	}
	return nil
}

// errGone is why nobody waits for a proxy any more.
var errGone = errors.New("the pod is gone")

// run returns when all spells are over, and no proxy was born since.
func (c *crossing) run(ctx context.Context) {
	tick := time.NewTicker(rosterEvery)
	defer tick.Stop()
	for {
		for c.running > 0 {
			select {
			case s := <-c.ended:
				c.running--
				s.over = true
				s.leave(nil)
			case <-tick.C:
				_ = c.roll(ctx) // the next one may do
			}
		}
		if ctx.Err() != nil || time.Since(c.listed) < rosterFresh {
			return
		}
		if err := c.roll(ctx); err != nil || c.running == 0 {
			return
		}
	}
}

// convergence sums up.
func (c *crossing) convergence(ctx context.Context) Convergence {
	var took []time.Duration
	var late []*spell
	for _, s := range c.spells {
		switch {
		case s.gone, s.down:
		case len(s.sights) > 0:
			late = append(late, s)
		case s.affected:
			took = append(took, s.took)
		}
	}
	slices.Sort(took)
	sum := Convergence{Proxies: len(took) + len(late)}
	if len(took) > 0 {
		sum.P50, sum.Max = took[len(took)/2], took[len(took)-1]
	}
	sum.Late = c.late(ctx, late)
	if c.present {
		sum.Late = append(sum.Late, c.podsGone()...)
	}
	if c.present && sum.Proxies == 0 && len(sum.Late) == 0 {
		sum.Late = []string{"no proxy knows the faulted services, so the fault can hit nobody; do their callers have a sidecar?"}
	}
	return sum
}

// everywhere finds the proxies of all namespaces or, where those must not be
// listed, of the run's own; then a plan has noted it.
func (t *trial) everywhere(ctx context.Context) ([]observe.Proxy, error) {
	proxies, err := t.mesh.Proxies(ctx)
	if within := t.experiment.callers(); apierrors.IsForbidden(err) && len(within) > 0 {
		return t.mesh.Proxies(ctx, within...)
	}
	return proxies, err
}

// podsGone says of which edits every pod is gone: then nothing makes the fault.
func (c *crossing) podsGone() []string {
	var texts []string
	for _, edit := range c.plan.Edits {
		if len(edit.Pods) == 0 || slices.ContainsFunc(c.proxies, func(p observe.Proxy) bool {
			return edit.MadeIn(p.Namespace, p.Pod, p.Labels, p.Gateway)
		}) {
			continue
		}
		texts = append(texts, fmt.Sprintf("every pod that the fault was made in is gone (%s), and those that took their place have none",
			podList(edit)))
	}
	return texts
}

func podList(edit injector.Edit) string {
	const most = 3
	text := ""
	for n, pod := range edit.Pods {
		if n == most {
			return text + fmt.Sprintf(" and %d more", len(edit.Pods)-most)
		}
		text += [2]string{"", ", "}[min(n, 1)] + "Pod " + edit.Ref.Namespace + "/" + pod
	}
	return text
}
