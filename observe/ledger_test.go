package observe

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// countUp begins a ledger that knows one host a.
func countUp(first Host) *ledger {
	return newLedger(checkout, []Host{first}, map[string]uint64{}, at(0))
}

func TestLedgerAddsUpAcrossRestarts(t *testing.T) {
	l := countUp(host("a", 100, 10))
	l.add([]Host{host("a", 120, 10)}, at(1)) // 20
	l.add([]Host{host("a", 3, 1)}, at(2))    // restarted: 3
	l.add([]Host{host("a", 150, 2)}, at(3))  // 147
	got, _ := l.turn(nil, at(4))
	if diff := cmp.Diff([]Host{host("a", 170, 2)}, got.Hosts); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
}

func TestLedgerKeepsHostsThatLeave(t *testing.T) {
	l := countUp(host("a", 100, 0))
	l.add([]Host{host("a", 110, 4)}, at(1))
	l.add(nil, at(2))                     // its Pod is gone
	l.add([]Host{host("a", 2, 0)}, at(3)) // another Pod has its address
	got, _ := l.turn(nil, at(4))
	if diff := cmp.Diff([]Host{host("a", 12, 4)}, got.Hosts); diff != "" {
		t.Errorf("hosts of the phase it left in (-want +got):\n%s", diff)
	}
	l.add(nil, at(5))
	if _, _ = l.turn(nil, at(6)); len(l.hosts) != 0 {
		t.Errorf("a host that is gone is still in the phase after: %v", l.hosts)
	}
}

func TestLedgerCountsFromZeroWhenAHostComesBack(t *testing.T) {
	l := countUp(host("a", 100, 0))
	l.add(nil, at(1))
	l.add([]Host{host("a", 130, 0)}, at(2)) // more than before, and all of it new
	got, _ := l.turn(nil, at(3))
	if diff := cmp.Diff([]Host{host("a", 130, 0)}, got.Hosts); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
}

func TestLedgerPhases(t *testing.T) {
	never := time.Time{}
	l := countUp(host("a", 0, 0))

	l.add([]Host{host("a", 4, 4)}, at(1))
	l.add([]Host{ejected(host("a", 5, 5))}, at(2))
	state, ejections := l.turn(nil, at(3))
	if diff := cmp.Diff([]Host{ejected(host("a", 5, 5))}, state.Hosts); diff != "" {
		t.Errorf("first phase (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Ejection{ejection(checkout, "a", at(2), 5, never)}, ejections); diff != "" {
		t.Errorf("first phase (-want +got):\n%s", diff)
	}

	l.add([]Host{ejected(host("a", 5, 5))}, at(4))
	l.add([]Host{host("a", 5, 5)}, at(5))          // readmitted
	l.add([]Host{host("a", 8, 8)}, at(6))          // and
	l.add([]Host{ejected(host("a", 9, 9))}, at(7)) // ejected again
	l.add([]Host{host("a", 9, 9)}, at(8))
	_, ejections = l.turn(nil, at(9))
	if diff := cmp.Diff([]Ejection{
		ejection(checkout, "a", at(2), 5, at(5)),
		ejection(checkout, "a", at(7), 4, at(8)),
	}, ejections); diff != "" {
		t.Errorf("second phase (-want +got):\n%s", diff)
	}

	l.add([]Host{host("a", 20, 9)}, at(10))
	state, ejections = l.turn(nil, at(11))
	if diff := cmp.Diff([]Host{host("a", 11, 0)}, state.Hosts); diff != "" {
		t.Errorf("third phase (-want +got):\n%s", diff)
	}
	if ejections != nil {
		t.Errorf("third phase has ejections of the second: %v", ejections)
	}
	if len(l.ejections) != 2 {
		t.Errorf("all ejections: %v, want 2", l.ejections)
	}
}

func TestLedgerEjectionOutlivesTheHost(t *testing.T) {
	l := countUp(host("a", 0, 0))
	l.add([]Host{ejected(host("a", 5, 5))}, at(1))
	l.add(nil, at(2))
	if open := l.ejections[0]; !open.ReadmittedAt.IsZero() {
		t.Errorf("a host that left was not readmitted: %+v", open)
	}
	l.add([]Host{ejected(host("a", 0, 0))}, at(3))
	l.add([]Host{host("a", 0, 0)}, at(4))
	if diff := cmp.Diff([]Ejection{ejection(checkout, "a", at(1), 5, at(4))}, l.ejections); diff != "" {
		t.Errorf("ejections (-want +got):\n%s", diff)
	}
}

func TestLedgerStatsThatCouldNotBeRead(t *testing.T) {
	l := newLedger(checkout, nil, map[string]uint64{"x": 1}, at(0))
	for i, phase := range []struct{ read, want map[string]uint64 }{
		{map[string]uint64{"x": 3}, map[string]uint64{"x": 2}},
		{nil, nil},
		{map[string]uint64{"x": 9}, nil}, // since when is not known
		{map[string]uint64{"x": 10}, map[string]uint64{"x": 1}},
	} {
		got, _ := l.turn(phase.read, at(i+1))
		if diff := cmp.Diff(phase.want, got.Stats); diff != "" {
			t.Errorf("phase %d (-want +got):\n%s", i, diff)
		}
	}
}
