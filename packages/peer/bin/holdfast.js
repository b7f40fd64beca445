#!/usr/bin/env node
// npm links a program when it installs, which is before the build: this file is there then, dist is not.
import '../dist/cli/main.js'
