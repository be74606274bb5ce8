// Package crash proves on a real API server that what package injector writes
// is undone whatever fails: processes that are killed at any instruction,
// requests that go wrong at every call, people who edit what they find. It has
// tests only; `make crash N=2000` kills more processes than CI does.
package crash
