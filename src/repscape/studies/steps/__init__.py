"""Steps of studies: what makes models, reads representations, analyses tables, draws, writes.

One file per step, registered where it is defined; a study file names it. A step outside this
package is named `package.module:ATTRIBUTE`.
"""
