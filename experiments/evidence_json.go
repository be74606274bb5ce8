package experiments

// The evidence as JSON, a part of the report.
type (
	faultJSON struct {
		Fault       string           `json:"fault"`
		Source      string           `json:"source"`
		Fired       int              `json:"fired"`
		Of          int              `json:"of,omitempty"`
		Parts       []partJSON       `json:"parts,omitempty"`
		Sources     []sourceJSON     `json:"sources,omitempty"`
		Conflict    string           `json:"conflict,omitempty"`
		Proxies     []firingJSON     `json:"proxies,omitempty"`
		Propagation *propagationJSON `json:"propagation,omitempty"` // missing when it does not matter or cannot be told
		Flags       map[string]int   `json:"flags,omitempty"`
	}
	partJSON struct {
		Name  string `json:"name"`
		Fired int    `json:"fired"`
		Of    int    `json:"of"`
	}
	sourceJSON struct {
		Name  string `json:"name"`
		Fired int    `json:"fired"`
		Of    int    `json:"of,omitempty"`
	}
	firingJSON struct {
		Proxy   string `json:"proxy"`
		Reached int    `json:"reached"`
		Matched int    `json:"matched"`
		Fired   int    `json:"fired"`
		Others  bool   `json:"others,omitempty"`
	}
	propagationJSON struct {
		Reached int      `json:"reached"`
		Matched int      `json:"matched"`
		Path    []string `json:"path,omitempty"`
	}
	placementJSON struct {
		Fault    string       `json:"fault"`
		Hop      string       `json:"hop"`
		Requests int          `json:"requests"`
		Share    float64      `json:"share"` // for each request of the load
		Proxies  []placedJSON `json:"proxies,omitempty"`
	}
	placedJSON struct {
		Proxy    string `json:"proxy"`
		Requests int    `json:"requests"`
	}
)

func (e Evidence) json() faultJSON {
	out := faultJSON{Fault: e.Fault, Source: e.Source, Fired: e.Fired, Of: e.Of, Conflict: e.Conflict, Flags: e.Flags}
	for _, p := range e.Parts {
		out.Parts = append(out.Parts, partJSON(p))
	}
	for _, s := range e.Sources {
		out.Sources = append(out.Sources, sourceJSON(s))
	}
	for _, p := range e.Proxies {
		out.Proxies = append(out.Proxies, firingJSON{Proxy: p.Proxy, Reached: p.Reached, Matched: p.Matched, Fired: p.Fired, Others: p.Others})
	}
	if a := e.Arrived; a != nil {
		out.Propagation = &propagationJSON{Reached: a.Reached, Matched: a.Matched, Path: a.Path}
	}
	return out
}

func (p Placement) json() placementJSON {
	out := placementJSON{Fault: p.Fault, Hop: p.Hop, Requests: p.Requests, Share: p.Share}
	for _, one := range p.Proxies {
		out.Proxies = append(out.Proxies, placedJSON(one))
	}
	return out
}
