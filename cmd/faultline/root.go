package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// version is stamped by the Makefile.
var version = "dev"

// cluster are the flags that say which cluster, as kubectl has them.
type cluster struct {
	kubeconfig, context, namespace string
}

// reached adds the flags that say which cluster to a command that needs one.
func (c *cluster) reached(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVar(&c.kubeconfig, "kubeconfig", "", "kubeconfig file (default: $KUBECONFIG, then ~/.kube/config)")
	cmd.Flags().StringVar(&c.context, "context", "", "context of the kubeconfig")
	return cmd
}

// scoped adds the flag that says which namespace as well.
func (c *cluster) scoped(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVarP(&c.namespace, "namespace", "n", "", "namespace to look in (default: all)")
	return c.reached(cmd)
}

// namespaces are those to look in; none stands for all.
func (c *cluster) namespaces() []string {
	if c.namespace == "" {
		return nil
	}
	return []string{c.namespace}
}

func newRootCommand() *cobra.Command {
	c := &cluster{}
	root := &cobra.Command{
		Use:   "faultline",
		Short: "Prove on a real Istio mesh that your services and policies survive failure",
		Long: `faultline injects delays and errors through Istio, drives load, judges what services and
mesh policies did, and takes every fault out again, whatever happens.

Exit codes: 0 held, 1 deviated, 2 bad input (nothing was written), 3 halted,
4 NOT REVERTED (a fault is left; the commands that finish the job are printed), 5 inconclusive.`,
		SilenceUsage: true, SilenceErrors: true,
	}
	root.AddCommand(
		c.reached(newRunCommand(c)), c.reached(newPlanCommand(c)), c.reached(newInjectCommand(c)),
		c.scoped(newLeftoversCommand(c)), c.scoped(newRevertCommand(c)), c.scoped(newHaltCommand(c)), newMeshCommand(), newWhyCommand(),
		&cobra.Command{
			Use: "version", Short: "Print the version", Args: cobra.NoArgs,
			Run: func(cmd *cobra.Command, _ []string) { fmt.Fprintln(cmd.OutOrStdout(), "faultline", version) },
		},
	)
	return root
}

// config finds the cluster as kubectl does, and makes sure that it answers.
func (c *cluster) config(ctx context.Context) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = c.kubeconfig
	overrides := &clientcmd.ConfigOverrides{CurrentContext: c.context}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
	if clientcmd.IsEmptyConfig(err) {
		err = fmt.Errorf("there is none in %s", strings.Join(rules.GetLoadingPrecedence(), ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: %w; say which with --kubeconfig or $KUBECONFIG, or start a mesh with `faultline mesh up`", err)
	}
	config.QPS, config.Burst = 200, 400
	return config, reachable(ctx, config)
}

func reachable(ctx context.Context, config *rest.Config) error {
	short := rest.CopyConfig(config)
	short.Timeout = 10 * time.Second
	client, err := discovery.NewDiscoveryClientForConfig(short)
	if err != nil {
		return fmt.Errorf("kubeconfig: %w", err)
	}
	if _, err := client.RESTClient().Get().AbsPath("/version").DoRaw(ctx); err != nil {
		return fmt.Errorf("cluster %s cannot be reached: %w; is it up, and is the kubeconfig the right one?", config.Host, err)
	}
	return nil
}
