package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/faultline-mesh/faultline/meshtest"
)

// meshFlags are those of `faultline mesh`.
type meshFlags struct {
	dir       string
	detach    bool
	manifests []string
	images    map[string]string
	allStats  bool
}

// statusFile says, in the mesh's directory, that it is ready and how to reach it.
const statusFile = "status.json"

// logFile is where a detached mesh writes what it has to say.
const logFile = "mesh.log"

// meshStatus is the content of the status file.
type meshStatus struct {
	Pid        int    `json:"pid"`
	Kubeconfig string `json:"kubeconfig"`
	Gateway    string `json:"gateway"`
}

func newMeshCommand() *cobra.Command {
	f := &meshFlags{}
	cmd := &cobra.Command{Use: "mesh", Short: "A real Istio mesh on this machine, without containers"}
	up := &cobra.Command{
		Use:   "up",
		Short: "Start a mesh; Ctrl-C ends it, or `mesh down` when detached",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return f.up(cmd) },
	}
	up.Flags().BoolVar(&f.detach, "detach", false, "return when the mesh is ready, and leave it running")
	up.Flags().StringArrayVarP(&f.manifests, "filename", "f", nil, "manifests to deploy: files or directories")
	up.Flags().StringToStringVar(&f.images, "image", nil, "executable that stands for an image, NAME=EXECUTABLE")
	up.Flags().BoolVar(&f.allStats, "all-stats", false, "let the proxies export every stat, not only Istio's default")
	down := &cobra.Command{
		Use: "down", Short: "End a mesh and every process of it", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.down(cmd) },
	}
	status := &cobra.Command{
		Use: "status", Short: "Show whether a mesh runs, how to reach it, and its pods", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.status(cmd) },
	}
	for _, sub := range []*cobra.Command{up, down, status} {
		sub.Flags().StringVar(&f.dir, "dir", filepath.Join(os.TempDir(), "faultline"), "directory of the mesh")
	}
	assets := &cobra.Command{
		Use: "assets", Short: "Make the executables of the mesh ready in the cache (6 minutes the first time)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := meshtest.EnsureAssets(cmd.Context(), newProgress(cmd.ErrOrStderr()).line)
			return err
		},
	}
	cmd.AddCommand(up, down, status, assets)
	return cmd
}

func (f *meshFlags) up(cmd *cobra.Command) (err error) {
	if err := there(f.manifests); err != nil {
		return err
	}
	if f.detach {
		return f.upDetached(cmd)
	}
	ctx := cmd.Context()
	mesh := &meshtest.Mesh{Dir: f.dir, Images: f.images, AllStats: f.allStats, Progress: newProgress(cmd.ErrOrStderr()).line}
	began := time.Now()
	if err := mesh.Start(ctx); err != nil {
		return err
	}
	file := filepath.Join(mesh.Dir, statusFile)
	defer func() {
		err = errors.Join(err, mesh.Stop(context.WithoutCancel(ctx)), removeIfThere(file))
	}()
	ready := time.Since(began)
	if len(f.manifests) > 0 {
		if err := mesh.Deploy(ctx, f.manifests...); err != nil {
			return err
		}
	}
	status := meshStatus{Pid: os.Getpid(), Kubeconfig: mesh.Kubeconfig(), Gateway: mesh.GatewayURL()}
	if err := writeStatus(file, status); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "mesh is ready after %.1fs, with what was deployed after %.1fs\nexport KUBECONFIG=%s\ngateway: %s\n",
		ready.Seconds(), time.Since(began).Seconds(), status.Kubeconfig, status.Gateway)
	return guard(ctx, mesh)
}

// guard waits for the end: an interruption, or a control plane that died.
func guard(ctx context.Context, mesh *meshtest.Mesh) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := mesh.Exited(); err != nil {
				return err
			}
		}
	}
}

// down ends the mesh; where none runs it says so, and that is what was wanted.
func (f *meshFlags) down(cmd *cobra.Command) error {
	err := meshtest.Down(f.dir, 10*time.Second)
	if errors.Is(err, meshtest.ErrNoMesh) {
		fmt.Fprintln(cmd.ErrOrStderr(), err)
		return removeIfThere(filepath.Join(f.dir, statusFile))
	}
	return errors.Join(err, removeIfThere(filepath.Join(f.dir, statusFile)))
}

func (f *meshFlags) status(cmd *cobra.Command) error {
	pid, err := meshtest.Owner(f.dir)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(filepath.Join(f.dir, statusFile))
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("directory %s: the mesh of process %d is not ready yet", f.dir, pid)
	}
	if err != nil {
		return err
	}
	var status meshStatus
	if err := json.Unmarshal(content, &status); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(f.dir, statusFile), err)
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "mesh of process %d is ready (Kubernetes %s, Istio %s, Envoy %s)\nexport KUBECONFIG=%s\ngateway: %s\n\n",
		pid, meshtest.KubernetesVersion, meshtest.IstioVersion, meshtest.EnvoyVersion, status.Kubeconfig, status.Gateway)
	config, err := clientcmd.BuildConfigFromFlags("", status.Kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	pods, err := client.CoreV1().Pods(metav1.NamespaceAll).List(cmd.Context(), metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list pods: %w", err)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "POD\tREADY\tADDRESS")
	for _, pod := range pods.Items {
		fmt.Fprintf(table, "%s/%s\t%t\t%s\n", pod.Namespace, pod.Name, isReady(pod), pod.Status.PodIP)
	}
	return table.Flush()
}

func isReady(pod corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func writeStatus(file string, status meshStatus) error {
	content, err := json.Marshal(status)
	if err != nil {
		return err
	}
	if err := os.WriteFile(file+".part", content, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".part", file)
}

func removeIfThere(file string) error {
	if err := os.Remove(file); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
