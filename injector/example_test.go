package injector_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/client-go/rest"

	"github.com/faultline-mesh/faultline/injector"
)

// One of the pods of payments answers every request of the run with 503 for as
// long as load runs; whatever happens, the fault is taken out again.
func Example() {
	hold := func(ctx context.Context, cfg *rest.Config, load func(context.Context) error) (err error) {
		in, err := injector.New(cfg)
		if err != nil {
			return err
		}
		faults := []injector.Fault{{
			On:     injector.Service{Namespace: "shop", Name: "payments"},
			Effect: injector.Abort{HTTPStatus: 503, Percent: 100},
			Site:   injector.Upstream,
			Pods:   1,
		}}
		until := in.Now().Add(10 * time.Minute)
		plan, err := in.Plan(ctx, injector.NewRunID(), faults, injector.BlastRadius{MaxPods: 1}, until)
		if err != nil {
			return err // nothing was written
		}
		injection, err := in.Inject(ctx, plan)
		defer func() { err = errors.Join(err, injection.Revert(context.WithoutCancel(ctx))) }()
		if err != nil {
			return err
		}
		return load(ctx)
	}
	fmt.Println(hold(context.Background(), nil, nil))
	// Output: injector: no configuration to reach a cluster with
}

func ExampleValidateFaults() {
	faults := []injector.Fault{{
		On:     injector.Service{Namespace: "shop", Name: "payments"},
		Effect: injector.Delay{Fixed: 2 * time.Second, Percent: 100},
		Site:   injector.Caller,
	}, {
		On:     injector.Service{Namespace: "bank", Name: "ledger"},
		Effect: injector.Abort{HTTPStatus: 42},
	}}
	limits := injector.BlastRadius{Namespaces: []string{"shop"}, MaxPercent: 50}
	fmt.Println(injector.ValidateFaults(faults, limits))
	// Output:
	// refused for 5 reasons:
	//   faults[0].percent: 100 is above blastRadius.maxPercent 50
	//   faults[1].on.namespace: namespace "bank" is outside blastRadius.namespaces ["shop"]
	//   faults[1].site: no site: say Caller or Upstream, it decides what the fault can test
	//   faults[1].httpStatus: 42 is not between 200 and 599
	//   faults[1].percent: 0 is not above 0 and up to 100
}

func ExampleFault() {
	fmt.Println(injector.Fault{
		On:     injector.Service{Namespace: "shop", Name: "payments", Port: 80},
		Effect: injector.Delay{Fixed: 2 * time.Second, Percent: 50},
		Site:   injector.Caller,
	})
	// Output: delay 2s on 50% at the caller of shop/payments:80
}

func ExampleHeaders() {
	for name, value := range injector.Headers("7f3a") {
		fmt.Println(name + ": " + value)
	}
	// Unordered output:
	// x-faultline-run: 7f3a
	// baggage: faultline-run=7f3a
}

func ExampleRef() {
	fmt.Println(injector.Ref{Kind: "VirtualService", Namespace: "shop", Name: "payments"})
	// Output: VirtualService shop/payments
}
