package meshtest_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// await asks until nothing is missing any more.
func await(t *testing.T, what string, missing func() error) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(60 * time.Second)
	for {
		err := missing()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited a minute for %s: %v", what, err)
		}
	}
}

func onePod(t *testing.T, selector string) string {
	t.Helper()
	pods, err := client(t).CoreV1().Pods("shop").List(t.Context(), metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		t.Fatal(err)
	}
	if len(pods.Items) == 0 {
		t.Fatalf("no pod has labels %s", selector)
	}
	return pods.Items[0].Name
}

func logOptions(container string) *corev1.PodLogOptions {
	return &corev1.PodLogOptions{Container: container}
}
