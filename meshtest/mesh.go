package meshtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/faultline-mesh/faultline/meshtest/internal/process"
)

// startLimit is how long Start waits for the mesh when its context sets no
// nearer limit; building the executables is not counted.
const startLimit = 2 * time.Minute

// Mesh is a local Istio mesh. The zero value works: set fields before
// [Mesh.Start], and do not copy it afterwards. Start, Stop and Deploy must not
// run at once; everything else is safe for concurrent use.
type Mesh struct {
	// Dir holds the mesh's data, logs and kubeconfig. Empty: a temporary
	// directory, removed by Stop.
	Dir string
	// Images names the executable that stands for each image, for example
	// {"faultline/shop": "bin/shop"}. A pod with any other image is refused.
	Images map[string]string
	// AllStats makes the proxies export every stat. The default is what Istio's
	// own proxies export, which leaves out clusters and fault filters.
	AllStats bool
	// Progress gets a line about each step that takes long. Nil: nobody is told.
	Progress func(line string)

	temporary bool
	images    map[string]string
	block     *block
	spawner   *process.Spawner
	plane     *controlPlane
	kube      kubernetes.Interface
	applier   *applier
	wiring    *loopback
	node      *node
	kubelet   *kubelet

	deployments *deployments
	cancel      context.CancelFunc // ends the watches
	watches     sync.WaitGroup
	factory     informers.SharedInformerFactory
}

// Start starts the mesh and returns when the API server, istiod and the ingress
// gateway are ready, about 4 s once its executables are in the cache (see
// [EnsureAssets]; making them takes about 6 minutes, once). It first sweeps what
// a killed run may have left in Dir. When it fails, nothing of the mesh is left
// running. The mesh does not end with ctx: call [Mesh.Stop].
func (m *Mesh) Start(ctx context.Context) (err error) {
	if m.plane != nil {
		return errors.New("mesh: is started already")
	}
	progress := m.Progress
	if progress == nil {
		progress = func(string) {}
	}
	assets, err := EnsureAssets(ctx, progress)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("start mesh: %w", err), m.Stop(context.WithoutCancel(ctx)))
		}
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("gave up after %s", startLimit))
	defer cancel()
	if err := m.claim(); err != nil {
		return err
	}
	m.images = maps.Clone(m.Images)
	m.plane = &controlPlane{
		binary: assets.ControlPlane, dir: m.Dir, seed: assets.Seed, address: m.block.node(), spawner: m.spawner,
	}
	if err := m.plane.start(); err != nil {
		return err
	}
	if err := m.plane.startIstiod(); err != nil {
		return err
	}
	if err := m.plane.awaitAPI(ctx); err != nil {
		return err
	}
	if err := m.startNode(ctx, assets.Envoy); err != nil {
		return err
	}
	if err := m.plane.awaitIstiod(ctx); err != nil {
		return err
	}
	if err := m.node.show(ctx, m.plane.mirrorOfIstiod()); err != nil {
		return err
	}
	return m.startGateway(ctx)
}

// claim takes the directory and a loopback block, and sweeps both.
func (m *Mesh) claim() error {
	if err := sweepTemporary(); err != nil {
		return err
	}
	var err error
	if m.Dir == "" {
		if m.Dir, err = os.MkdirTemp("", temporaryPrefix); err != nil {
			return err
		}
		m.temporary = true
	}
	if m.Dir, err = filepath.Abs(m.Dir); err != nil {
		return err
	}
	if err := takeDir(m.Dir); err != nil {
		m.Dir = "" // it is somebody else's: Stop must not touch it
		return err
	}
	if m.block, err = takeBlock(); err != nil {
		return err
	}
	m.spawner, err = process.NewSpawner(filepath.Join(m.Dir, runDir))
	return err
}

// startNode connects to the API server and begins to play Pods and Deployments.
func (m *Mesh) startNode(ctx context.Context, envoy string) (err error) {
	if m.kube, err = kubernetes.NewForConfig(m.plane.config); err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(m.plane.config)
	if err != nil {
		return err
	}
	m.applier = newApplier(client, m.plane.config)
	m.wiring = &loopback{
		block: m.block, xds: m.plane.hostPort(m.plane.ports.xds), stats: m.AllStats,
		client: client, kube: m.kube, applier: m.applier,
	}
	m.node = &node{
		address: m.block.node(), port: m.plane.ports.kubelet, dir: m.Dir, envoy: envoy, images: m.images,
		kube: m.kube, wiring: m.wiring, spawner: m.spawner,
	}
	m.kubelet = &kubelet{address: m.node.addressOf, logFile: m.node.logFile, istiod: m.plane.mirrorOfIstiod()}
	if err := m.kubelet.serve(m.plane.hostPort(m.plane.ports.kubelet), m.plane.ca); err != nil {
		return err
	}
	if err := m.node.register(ctx); err != nil {
		return err
	}
	var watching context.Context
	watching, m.cancel = context.WithCancel(context.WithoutCancel(ctx))
	m.factory = informers.NewSharedInformerFactory(m.kube, 0)
	m.deployments = &deployments{kube: m.kube}
	if err := errors.Join(m.node.watch(watching, m.factory), m.deployments.watch(watching, m.factory)); err != nil {
		return err
	}
	m.factory.Start(watching.Done())
	for kind, synced := range m.factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return fmt.Errorf("watch %s: %w", kind, context.Cause(ctx))
		}
	}
	m.watches.Go(func() { m.deployments.run(watching) })
	return nil
}

// startGateway makes istiod the judge of Istio objects and starts the ingress gateway.
func (m *Mesh) startGateway(ctx context.Context) error {
	webhook := fmt.Sprintf(validationWebhook,
		"https://"+m.plane.hostPort(m.plane.ports.webhook)+"/validate", base64PEM(m.plane.ca.pem))
	objects, err := parseManifests("local mesh", []byte(
		fmt.Sprintf(gatewayManifests, m.block.node(), EnvoyVersion)+"---\n"+webhook+"\n---\n"+m.plane.meshConfigMap()))
	if err != nil {
		return err
	}
	if err := m.applier.applyAll(ctx, objects); err != nil {
		return err
	}
	pods, _ := split(objects, func(o manifest) bool { return o.GetKind() == "Pod" })
	return m.awaitPods(ctx, pods)
}

// Stop ends every process of the mesh and removes a temporary Dir. It may be
// called at any time, also after a Start that failed, and twice; ctx is not
// waited for, since the end comes within a few seconds in any case.
func (m *Mesh) Stop(context.Context) error {
	var errs []error
	if m.cancel != nil {
		m.cancel()
		m.node.wait()
		m.watches.Wait()
		m.factory.Shutdown()
	}
	if m.kubelet != nil {
		errs = append(errs, m.kubelet.close())
	}
	if m.spawner != nil {
		errs = append(errs, m.spawner.Close())
	}
	if m.block != nil {
		errs = append(errs, m.block.release())
	}
	if m.Dir != "" && m.spawner != nil {
		errs = append(errs, os.Remove(filepath.Join(m.Dir, ownerFile)))
	}
	if m.temporary {
		errs = append(errs, os.RemoveAll(m.Dir))
		m.Dir = ""
	}
	http.DefaultClient.CloseIdleConnections()
	*m = Mesh{Dir: m.Dir, Images: m.Images, AllStats: m.AllStats, Progress: m.Progress}
	return errors.Join(errs...)
}

// Config returns how to reach the API server, as an administrator. It is nil
// before Start. The caller gets a copy.
func (m *Mesh) Config() *rest.Config {
	if m.plane == nil || m.plane.config == nil {
		return nil
	}
	return rest.CopyConfig(m.plane.config)
}

// Kubeconfig returns the path of a kubeconfig for kubectl, inside Dir; empty
// before Start.
func (m *Mesh) Kubeconfig() string {
	if m.plane == nil {
		return ""
	}
	return m.plane.kubeconfig()
}

// GatewayURL returns where the ingress gateway listens for plain HTTP, for
// example "http://127.20.0.1:8080"; empty before Start. Requests need the Host
// header of a Gateway server.
func (m *Mesh) GatewayURL() string {
	if m.block == nil {
		return ""
	}
	return "http://" + address(m.block.node(), 8080)
}

// Exited returns why a part of the control plane ended, or nil while all run.
func (m *Mesh) Exited() error {
	if m.plane == nil {
		return errors.New("mesh: is not started")
	}
	var errs []error
	for _, p := range []*process.Process{m.plane.etcd, m.plane.api, m.plane.istiod} {
		if p != nil {
			errs = append(errs, p.Exited())
		}
	}
	return errors.Join(errs...)
}
