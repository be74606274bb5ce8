package main

// What each role does, and how one service calls another.

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"sync"
	"time"
)

// maxAnswer bounds how much of a dependency's answer is read, in bytes.
const maxAnswer = 1 << 20

// Headers that travel with a request: forwarded with it to the next service,
// passedOn with the answer back to the caller, of failed calls too.
var (
	forwarded = [...]string{"baggage", "traceparent", "x-faultline-run", "x-request-id", "end-user"}
	passedOn  = [...]string{"x-faultline-run", "x-shop-fallback", "x-shop-recommendations"}
)

// A service is one role of the shop. It is safe for concurrent use.
type service struct {
	role, pod, version string
	client             *http.Client
	timeouts           map[string]time.Duration // by dependency
	forwards           []string                 // headers that travel with a request
}

// reply is what every role answers, as JSON.
type reply struct {
	Service string `json:"service"`
	Pod     string `json:"pod,omitzero"`
	Version string `json:"version,omitzero"`
	Error   string `json:"error,omitzero"`

	Recommendations         []string         `json:"recommendations,omitzero"`
	RecommendationsFallback bool             `json:"recommendations_fallback,omitzero"`
	Answers                 map[string]reply `json:"answers,omitzero"` // of the services it called
}

// An answer is what a call to a dependency came to.
type answer struct {
	reply  reply
	status int // 502 when there was no answer, or none that makes sense
	header http.Header
}

// handler returns what the role serves.
func (s *service) handler() (http.Handler, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
	switch s.role {
	case "frontend":
		mux.HandleFunc("/checkout", s.frontend)
	case "checkout":
		mux.HandleFunc("/checkout", s.checkout)
	case "payments":
		mux.HandleFunc("/pay", s.acknowledge)
	case "inventory":
		mux.HandleFunc("/reserve", s.acknowledge)
	case "recommendations":
		mux.HandleFunc("/list", s.recommend)
	default:
		return nil, fmt.Errorf("ROLE: %q is not frontend, checkout, payments, recommendations or inventory", s.role)
	}
	return mux, nil
}

// frontend hands the request to checkout and its status, whatever it is, back.
func (s *service) frontend(w http.ResponseWriter, r *http.Request) {
	checkout := s.call(r, r.Method, "checkout", "/checkout")
	s.answer(w, checkout.status, reply{}, checkout)
}

// checkout needs payments and inventory, and fails as they fail. It can do
// without recommendations, and then says so.
func (s *service) checkout(w http.ResponseWriter, r *http.Request) {
	var payments, inventory, recommendations answer
	var calls sync.WaitGroup
	calls.Go(func() { payments = s.call(r, http.MethodPost, "payments", "/pay") })
	calls.Go(func() { inventory = s.call(r, http.MethodPost, "inventory", "/reserve") })
	calls.Go(func() { recommendations = s.call(r, http.MethodGet, "recommendations", "/list") })
	calls.Wait()

	out := reply{Recommendations: recommendations.reply.Recommendations}
	if recommendations.status != http.StatusOK {
		w.Header().Set("x-shop-fallback", "recommendations")
		out.Recommendations, out.RecommendationsFallback = []string{}, true
	}
	status := http.StatusOK
	for _, needed := range []answer{payments, inventory} {
		if status == http.StatusOK && needed.status != http.StatusOK {
			status = failure(needed.status)
			out.Error = fmt.Sprintf("%s answered %d", needed.reply.Service, needed.status)
		}
	}
	s.answer(w, status, out, payments, inventory, recommendations)
}

// failure is the status with which checkout reports a dependency's status.
func failure(status int) int {
	switch status {
	case http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return status
	default:
		return http.StatusBadGateway
	}
}

// acknowledge is all that payments and inventory do.
func (s *service) acknowledge(w http.ResponseWriter, _ *http.Request) {
	s.answer(w, http.StatusOK, reply{})
}

// recommend lists what others bought; the header tells which version did.
func (s *service) recommend(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("x-shop-recommendations", s.version)
	s.answer(w, http.StatusOK, reply{Recommendations: []string{"kettle", "teapot", "cups"}})
}

// answer writes out, signed and with the answers it rests on.
func (s *service) answer(w http.ResponseWriter, status int, out reply, from ...answer) {
	out.Service, out.Pod, out.Version = s.role, s.pod, s.version
	for _, a := range from {
		if out.Answers == nil {
			out.Answers = map[string]reply{}
		}
		out.Answers[a.reply.Service] = a.reply
		for _, name := range passedOn {
			if value := a.header.Get(name); value != "" {
				w.Header().Set(name, value)
			}
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(out); err != nil {
		log.Printf("%s: answer: %v", s.role, err)
	}
}

// call asks another service on behalf of in, for no longer than its timeout.
func (s *service) call(in *http.Request, method, name, path string) answer {
	ctx, cancel := context.WithTimeout(in.Context(), s.timeouts[name])
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, "http://"+name+path, nil)
	if err != nil {
		return unusable(name, err)
	}
	for _, header := range s.forwards {
		for _, value := range in.Header.Values(header) {
			request.Header.Add(header, value)
		}
	}
	// The key makes it safe to send a POST twice, as retries do.
	request.Header.Set("Idempotency-Key", cmp.Or(in.Header.Get("x-request-id"), rand.Text()))
	response, err := s.client.Do(request)
	if err != nil {
		return unusable(name, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return unusable(name, err)
	}
	out := answer{status: response.StatusCode, header: response.Header}
	if err := json.Unmarshal(body, &out.reply); err != nil {
		out.reply = reply{Error: strings.TrimSpace(string(body))} // a proxy's own answer is plain text
		if out.status == http.StatusOK {
			out.status = http.StatusBadGateway
		}
	}
	out.reply.Service = name
	return out
}

// unusable is the answer of a call that brought none.
func unusable(name string, err error) answer {
	return answer{status: http.StatusBadGateway, reply: reply{Service: name, Error: err.Error()}}
}
