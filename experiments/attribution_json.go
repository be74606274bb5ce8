package experiments

// Attributions as JSON: a number that is not known is null, with the reason beside it.
type (
	attributionJSON struct {
		Caller   string    `json:"caller"`
		Service  string    `json:"service"`
		Timeouts splitJSON `json:"timeouts"`
		Retries  splitJSON `json:"retries"`
		How      string    `json:"how"`
	}
	splitJSON struct {
		Mesh        *int   `json:"mesh"`
		MeshUnknown string `json:"meshUnknown,omitempty"`
		App         *int   `json:"app"`
		AppUnknown  string `json:"appUnknown,omitempty"`
	}
)

func newAttributionsJSON(all []Attribution) []attributionJSON {
	var out []attributionJSON
	for _, a := range all {
		out = append(out, attributionJSON{
			Caller: a.Caller, Service: a.Service, Timeouts: a.Timeouts.json(), Retries: a.Retries.json(), How: a.How,
		})
	}
	return out
}

func (s Split) json() splitJSON {
	out := splitJSON{MeshUnknown: s.Mesh.Unknown, AppUnknown: s.App.Unknown}
	if s.Mesh.Unknown == "" {
		out.Mesh = &s.Mesh.N
	}
	if s.App.Unknown == "" {
		out.App = &s.App.N
	}
	return out
}
