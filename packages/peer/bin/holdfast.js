#!/usr/bin/env node
// npm links a program when it installs, which is before the build: this file is there then, dist is not.
import { enableCompileCache } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'

// Compiled code is kept between runs: a command starts in two thirds of the CPU time. In a folder of the user's own, because
// the default is one that everybody on a machine can write to; its threads and child processes find it by the variable.
process.env.NODE_COMPILE_CACHE ??= join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'holdfast', 'compiled')
enableCompileCache(process.env.NODE_COMPILE_CACHE)
await import('../dist/cli/main.js')
