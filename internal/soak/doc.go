// Package soak runs one experiment over and over, in turns as it is and with what
// it tests taken away, and looks for a false verdict in either direction. It has
// no code of its own.
package soak
