package main

import (
	"encoding/xml"
	"os"

	"github.com/faultline-mesh/faultline/experiments"
)

// The JUnit form that CI systems read: Deviated is a failure, whatever left the
// question open is an error, so that neither can look green.
type (
	junitSuite struct {
		XMLName  xml.Name    `xml:"testsuite"`
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		Seconds float64       `xml:"time,attr"`
		Failure *junitProblem `xml:"failure,omitempty"`
		Error   *junitProblem `xml:"error,omitempty"`
	}
	junitProblem struct {
		Kind string `xml:"type,attr"`
		Text string `xml:"message,attr"`
	}
)

func writeJUnit(file string, results []result) error {
	suite := junitSuite{Name: "faultline", Tests: len(results)}
	for _, r := range results {
		c := junitCase{Name: r.experiment.Name, Class: "faultline"}
		switch {
		case r.err != nil:
			c.Error = &junitProblem{Kind: "Error", Text: r.err.Error()}
		case r.report.Verdict == experiments.Deviated:
			c.Failure = &junitProblem{Kind: r.report.Verdict.String(), Text: r.report.Reason}
		case r.report.Verdict != experiments.Held:
			c.Error = &junitProblem{Kind: r.report.Verdict.String(), Text: r.report.Reason}
		}
		if r.report != nil {
			if phases := r.report.Phases(); len(phases) > 0 {
				c.Seconds = phases[len(phases)-1].To.Sub(phases[0].From).Seconds()
			}
		}
		if c.Failure != nil {
			suite.Failures++
		}
		if c.Error != nil {
			suite.Errors++
		}
		suite.Cases = append(suite.Cases, c)
	}
	content, err := xml.MarshalIndent(suite, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append([]byte(xml.Header), append(content, '\n')...), 0o644)
}
