"""What goes wrong, by kind: processes, lines, databases, files, sites. Each way is chosen by its weight."""
