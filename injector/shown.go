package injector

import "regexp"

// shownPattern matches the names that faults have in proxies: of routes, behind
// which Istio may put the name of the match, and of filters.
var shownPattern = regexp.MustCompile(`"faultline(-[0-9a-f]{4,32}-\d+|\.[0-9a-f]{4,32}(-\d+)?)[".]`)

// ShowsFault reports whether a proxy's configuration, a part of its config_dump,
// shows a fault of any run. For one edit, ask [Edit.ShownIn].
func ShowsFault(config []byte) bool { return shownPattern.Match(config) }
