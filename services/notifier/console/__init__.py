"""The console: server-rendered pages that work without JavaScript, kept live by a stream of fragments."""
