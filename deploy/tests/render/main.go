// Renders a Helm chart as `helm template` does: Go's text/template, sprig, and the functions that Helm adds. helm itself is not in
// Debian; its parts are (golang-go, golang-github-masterminds-sprig-dev, golang-github-ghodss-yaml-dev).
//
//	render CHART RELEASE NAMESPACE [VALUES.yaml...]
//
// Prints the merged values as one line of JSON, then each template's objects. What the chart needs beyond `include`, `toYaml`,
// `required`, `tpl` and `.Files.Get` (`lookup`, hooks, dependencies) is not there.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"github.com/ghodss/yaml"
)

type files struct{ folder string }

// Get gives a file of the chart, or nothing, as Helm does.
func (f files) Get(name string) string {
	text, err := os.ReadFile(filepath.Join(f.folder, name))
	if err != nil {
		return ""
	}
	return string(text)
}

func die(format string, arguments ...interface{}) {
	fmt.Fprintf(os.Stderr, format+"\n", arguments...)
	os.Exit(1)
}

func read(path string) map[string]interface{} {
	text, err := os.ReadFile(path)
	if err != nil {
		die("%v", err)
	}
	values := map[string]interface{}{}
	if err := yaml.Unmarshal(text, &values); err != nil {
		die("%s: %v", path, err)
	}
	return values
}

// Later values win; maps are merged, lists are replaced, null removes.
func merge(into, from map[string]interface{}) {
	for key, value := range from {
		if value == nil {
			delete(into, key)
			continue
		}
		inner, isMap := value.(map[string]interface{})
		before, wasMap := into[key].(map[string]interface{})
		if isMap && wasMap {
			merge(before, inner)
		} else {
			into[key] = value
		}
	}
}

func toYaml(value interface{}) string {
	text, err := yaml.Marshal(value)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(text), "\n")
}

func main() {
	if len(os.Args) < 4 {
		die("render CHART RELEASE NAMESPACE [VALUES.yaml...]")
	}
	chart, release, namespace := os.Args[1], os.Args[2], os.Args[3]
	values := read(filepath.Join(chart, "values.yaml"))
	for _, path := range os.Args[4:] {
		merge(values, read(path))
	}
	about := map[string]interface{}{}
	for key, value := range read(filepath.Join(chart, "Chart.yaml")) {
		about[strings.ToUpper(key[:1])+key[1:]] = value
	}

	all := template.New("chart").Option("missingkey=zero")
	functions := sprig.TxtFuncMap()
	for _, name := range []string{"env", "expandenv"} {
		delete(functions, name)
	}
	functions["toYaml"] = toYaml
	functions["include"] = func(name string, data interface{}) (string, error) {
		var out strings.Builder
		err := all.ExecuteTemplate(&out, name, data)
		return out.String(), err
	}
	functions["required"] = func(message string, value interface{}) (interface{}, error) {
		if value == nil || value == "" {
			return value, fmt.Errorf("%s", message)
		}
		return value, nil
	}
	functions["tpl"] = func(text string, data interface{}) (string, error) {
		clone := template.Must(all.Clone())
		parsed, err := clone.New("tpl").Parse(text)
		if err != nil {
			return "", err
		}
		var out strings.Builder
		err = parsed.Execute(&out, data)
		return out.String(), err
	}
	all.Funcs(functions)

	paths, err := filepath.Glob(filepath.Join(chart, "templates", "*"))
	if err != nil {
		die("%v", err)
	}
	sort.Strings(paths)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			die("%v", err)
		}
		if _, err := all.New(filepath.Base(path)).Parse(string(text)); err != nil {
			die("%v", err)
		}
	}
	merged, err := json.Marshal(values)
	if err != nil {
		die("%v", err)
	}
	fmt.Printf("# values: %s\n", merged)
	for _, path := range paths {
		name := filepath.Base(path)
		if strings.HasPrefix(name, "_") {
			continue
		}
		var out strings.Builder
		data := map[string]interface{}{
			"Values":   values,
			"Chart":    about,
			"Files":    files{chart},
			"Release":  map[string]interface{}{"Name": release, "Namespace": namespace, "Service": "Helm", "Revision": 1, "IsInstall": true},
			"Template": map[string]interface{}{"Name": name},
		}
		if err := all.ExecuteTemplate(&out, name, data); err != nil {
			die("%v", err)
		}
		if strings.Contains(out.String(), "<no value>") {
			die("%s: a value is missing:\n%s", name, out.String())
		}
		if strings.HasSuffix(name, ".yaml") && strings.TrimSpace(out.String()) != "" {
			fmt.Printf("---\n# Source: %s\n%s\n", name, out.String())
		}
	}
}
