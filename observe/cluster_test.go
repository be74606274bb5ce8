package observe

import (
	"fmt"
	"testing"
)

func TestParseCluster(t *testing.T) {
	for name, want := range map[string]Cluster{
		"outbound|80||payments.shop.svc.cluster.local": {
			Direction: Outbound, Port: 80, Service: "payments.shop.svc.cluster.local",
		},
		"outbound|80|v1|payments.shop.svc.cluster.local": {
			Direction: Outbound, Port: 80, Subset: "v1", Service: "payments.shop.svc.cluster.local",
		},
		"outbound|443||api.example.com":     {Direction: Outbound, Port: 443, Service: "api.example.com"},
		"outbound|443||*.example.com;":      {Direction: Outbound, Port: 443, Service: "*.example.com"},
		"inbound|8080||":                    {Direction: Inbound, Port: 8080},
		"inbound|8080||;":                   {Direction: Inbound, Port: 8080},
		"inbound|7070|tcplocal|s3sidecar.x": {Direction: Inbound, Port: 7070, Subset: "tcplocal", Service: "s3sidecar.x"},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := ParseCluster(name)
			if !ok || got != want {
				t.Errorf("ParseCluster(%q) = %+v, %t, want %+v", name, got, ok, want)
			}
		})
	}
}

func TestParseClusterRefuses(t *testing.T) {
	for _, name := range []string{
		"", ";", "|||", "xds-grpc", "BlackHoleCluster", "PassthroughCluster", "agent", "prometheus_stats",
		"outbound_.80_.v1_.payments.shop.svc.cluster.local",
		"outbound|80|payments.shop.svc.cluster.local",
		"outbound|80||payments|x",
		"outbound|80||",
		"outbound|80||payments;;",
		"outbound|||payments",
		"outbound|080||payments",
		"outbound|+80||payments",
		"outbound|-1||payments",
		"outbound|65536||payments",
		"outbound|http||payments",
		"Outbound|80||payments",
		"inbound-vip|80||payments.shop.svc.cluster.local",
	} {
		t.Run(name, func(t *testing.T) {
			if got, ok := ParseCluster(name); ok || got != (Cluster{}) {
				t.Errorf("ParseCluster(%q) = %+v, %t, want nothing", name, got, ok)
			}
		})
	}
}

func FuzzParseCluster(f *testing.F) {
	f.Add("outbound|80|v1|payments.shop.svc.cluster.local;")
	f.Add("inbound|8080||")
	f.Add("outbound|00||x")
	f.Fuzz(func(t *testing.T, name string) {
		c, ok := ParseCluster(name)
		if !ok {
			return
		}
		if s := c.String(); s != name && s+";" != name {
			t.Errorf("ParseCluster(%q).String() = %q", name, s)
		}
		again, ok := ParseCluster(c.String())
		if !ok || again != c {
			t.Errorf("ParseCluster(%q) = %+v, %t, want %+v", c, again, ok, c)
		}
	})
}

func TestClusterServes(t *testing.T) {
	payments := Cluster{Direction: Outbound, Port: 80, Service: "payments.shop.svc.cluster.local"}
	external := Cluster{Direction: Outbound, Port: 443, Service: "payments.example.com"}
	inbound := Cluster{Direction: Inbound, Port: 80, Service: "payments.shop.svc.cluster.local"}
	single := Cluster{Direction: Outbound, Port: 80, Service: "payments"}
	for _, test := range []struct {
		cluster Cluster
		service string
		want    bool
	}{
		{payments, "payments", true},
		{payments, "payments.shop", true},
		{payments, "payments.shop.svc", true},
		{payments, "payments.shop.svc.cluster", true},
		{payments, "payments.shop.svc.cluster.local", true},
		{payments, "payments.shop.svc.cluster.local.", false},
		{payments, "", false},
		{payments, "payment", false},
		{payments, "payments.", false},
		{payments, "payments-db", false},
		{payments, "payments.sho", false},
		{payments, "payments.bank", false},
		{payments, "shop", false},
		{external, "payments", false},
		{external, "payments.example", false},
		{external, "payments.example.com", true},
		{inbound, "payments", false},
		{single, "payments", true},
		{Cluster{Direction: Outbound, Port: 80, Service: "payments-db.shop.svc.cluster.local"}, "payments", false},
		{Cluster{}, "", false},
	} {
		t.Run(fmt.Sprintf("%s serves %q", test.cluster, test.service), func(t *testing.T) {
			if got := test.cluster.Serves(test.service); got != test.want {
				t.Errorf("Serves(%q) = %t, want %t", test.service, got, test.want)
			}
		})
	}
}
