package meshtest

// baseManifests are in the seed of every mesh: Istio's namespace, and no mutual
// TLS, which needs certificates that a loopback proxy does not have.
const baseManifests = `
apiVersion: v1
kind: Namespace
metadata:
  name: istio-system
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: default
  namespace: istio-system
spec:
  mtls:
    mode: DISABLE
`

// validationWebhook makes the API server ask istiod about every Istio object, as
// on a cluster: %s is istiod's URL, then the authority in base64.
const validationWebhook = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata:
  name: istio-validator-istio-system
webhooks:
- name: validation.istio.io
  clientConfig:
    url: %s
    caBundle: %s
  rules:
  - operations: [CREATE, UPDATE]
    apiGroups: [security.istio.io, networking.istio.io, telemetry.istio.io, extensions.istio.io]
    apiVersions: ["*"]
    resources: ["*"]
  failurePolicy: Fail
  sideEffects: None
  admissionReviewVersions: [v1]
`

// gatewayManifests are the ingress gateway. It lives on the node's own address,
// as a hostNetwork gateway does on a cluster, so its node ports are its ports:
// %[1]s is that address, %[2]s Envoy's version.
//
// The EnvoyFilter makes the gateway's listeners bind that address; without it
// they would bind all addresses, and meshes side by side would steal each
// other's requests.
const gatewayManifests = `
apiVersion: v1
kind: Service
metadata:
  name: istio-ingressgateway
  namespace: istio-system
  labels: {app: istio-ingressgateway, istio: ingressgateway}
spec:
  type: NodePort
  selector: {app: istio-ingressgateway, istio: ingressgateway}
  ports:
  - {name: http2, port: 80, targetPort: 8080, nodePort: 8080}
  - {name: https, port: 443, targetPort: 8443, nodePort: 8443}
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata:
  name: loopback-gateway
  namespace: istio-system
spec:
  configPatches:
  - applyTo: LISTENER
    match:
      context: GATEWAY
    patch:
      operation: MERGE
      value:
        address:
          socket_address:
            address: %[1]s
---
apiVersion: v1
kind: Pod
metadata:
  name: istio-ingressgateway
  namespace: istio-system
  labels: {app: istio-ingressgateway, istio: ingressgateway}
spec:
  nodeName: local
  hostNetwork: true
  containers:
  - name: istio-proxy
    image: envoyproxy/envoy:v%[2]s
    ports:
    - {name: http2, containerPort: 8080}
    - {name: https, containerPort: 8443}
`
