// Command controlplane is etcd, kube-apiserver and istiod in one binary.
//
// The local mesh (package meshtest) starts it once per component, so that each
// keeps its own process-wide state. It is a module of its own because
// k8s.io/kubernetes builds only with a list of replace directives, and those
// count in the main module alone.
//
//	controlplane etcd           [flags of etcd]
//	controlplane kube-apiserver [flags of kube-apiserver]
//	controlplane istiod         [flags of pilot-discovery]
//	controlplane crds           prints Istio's CRDs as YAML
//	controlplane versions       prints the versions inside as JSON
package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"go.etcd.io/etcd/api/v3/version"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"istio.io/istio/manifests"
	istiod "istio.io/istio/pilot/cmd/pilot-discovery/app"
	istioversion "istio.io/istio/pkg/version"
	"k8s.io/component-base/cli"
	kubeversion "k8s.io/component-base/version"
	kubeapiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
)

// crdFile is where the Istio module keeps all its CRDs.
const crdFile = "charts/base/files/crd-all.gen.yaml"

var components = map[string]func() error{
	"etcd": func() error { etcdmain.Main(os.Args); return nil },
	"kube-apiserver": func() error {
		os.Exit(cli.Run(kubeapiserver.NewAPIServerCommand()))
		return nil
	},
	"istiod":   func() error { return istiod.NewRootCommand().Execute() },
	"crds":     printCRDs,
	"versions": printVersions,
}

func main() {
	if len(os.Args) < 2 || components[os.Args[1]] == nil {
		names := make([]string, 0, len(components))
		for name := range components {
			names = append(names, name)
		}
		slices.Sort(names)
		fmt.Fprintf(os.Stderr, "usage: controlplane %s [flags]\n", strings.Join(names, "|"))
		os.Exit(2)
	}
	run := components[os.Args[1]]
	os.Args = os.Args[1:]
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[0], err)
		os.Exit(1)
	}
}

func printCRDs() error {
	crds, err := fs.ReadFile(manifests.BuiltinOrDir(""), crdFile)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(crds)
	return err
}

func printVersions() error {
	return json.NewEncoder(os.Stdout).Encode(map[string]string{
		"etcd":       version.Version,
		"kubernetes": kubeversion.Get().GitVersion,
		"istio":      istioversion.Info.Version,
	})
}
