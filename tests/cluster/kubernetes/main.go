// Command kubernetes is etcd, the Kubernetes daemons and kubectl in one program: one link instead of seven, for tests.
// The name it is called by (a symbolic link), or else its first argument, says which of them it is.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

var daemons = map[string]func() *cobra.Command{
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": controllermanager.NewControllerManagerCommand,
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kubelet":                 func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
	"kube-proxy":              proxy.NewProxyCommand,
}

func main() {
	name := filepath.Base(os.Args[0])
	if !run(name) {
		if len(os.Args) > 1 {
			name, os.Args = os.Args[1], os.Args[1:]
		}
		if !run(name) {
			fmt.Fprintf(os.Stderr, "%s is none of etcd, kubectl, kube-apiserver, kube-controller-manager, "+
				"kube-scheduler, kubelet, kube-proxy\n", name)
			os.Exit(2)
		}
	}
}

// run becomes the program called name; false when there is none of that name. os.Args are its own.
func run(name string) bool {
	switch newDaemon, known := daemons[name]; {
	case name == "etcd":
		etcdmain.Main(os.Args)
	case name == "kubectl":
		util.CheckErr(cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()))
	case known:
		os.Exit(cli.Run(newDaemon()))
	default:
		return false
	}
	return true
}
