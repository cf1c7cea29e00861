# Remakes the numbers of tests/references/*.json with metafor from the inputs stored beside them.
#
#   Rscript validation/metafor/references.R [--write] [topic ...]
#
# Prints the largest difference per topic and the number it comes from; exits 1 where a topic is outside its
# tolerance. --write puts the remade numbers into the JSON files instead. Debian: r-cran-metafor, r-cran-jsonlite.

suppressPackageStartupMessages({
  library(metafor)
  library(jsonlite)
})

# Largest accepted difference (relative; see common.R for numbers next to zero), and what limits it.
tolerances <- c(
  metafor = 1e-7, # limits next to zero
  escalc = 1e-12, # closed forms
  influence = 1e-8,
  small_study = 1e-8,
  selection_model = 1e-4, # a flat likelihood, searched
  meta_regression = 1e-8,
  multilevel = 2e-6, # remade at the optimum, the reference stops beside it
  multivariate = 5e-6, # the same
  robust = 1e-9,
  permutation_gosh = 1e-10,
  intervals = 1e-8 # roots of a distribution that two programs integrate differently
)
files <- c(selection_model = "small_study") # every other topic has a file of its own name

script <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE))
here <- dirname(script)
folder <- file.path(here, "..", "..", "tests", "references")
path_of <- function(topic) {
  file.path(folder, paste0(if (topic %in% names(files)) files[[topic]] else topic, ".json"))
}
load_reference <- function(topic) fromJSON(path_of(topic), simplifyDataFrame = FALSE)
sys.source(file.path(here, "common.R"), globalenv())

# Each topic has its own room, so that no helper of one is seen by another.
remade <- function(topic) {
  room <- new.env(parent = globalenv())
  sys.source(file.path(here, paste0(topic, ".R")), room)
  room$remake(load_reference(topic), load_reference)
}

report <- function(topic, new) {
  table <- differences(load_reference(topic), new, topic)
  largest <- max(table$difference)
  verdict <- if (largest <= tolerances[[topic]]) "agrees" else "DIFFERS"
  cat(sprintf(
    "%-17s %6d numbers  largest difference %.1e  tolerance %.0e  %s\n",
    topic, sum(table$count), largest, tolerances[[topic]], verdict
  ))
  worst <- head(table[order(-table$difference), ], if (verdict == "agrees") 1 else 8)
  cat(sprintf("    %.1e %s\n", worst$difference, worst$path), sep = "")
  verdict == "agrees"
}

arguments <- commandArgs(trailingOnly = TRUE)
topics <- setdiff(arguments, "--write")
unknown <- setdiff(topics, names(tolerances))
if (length(unknown)) stop("no such topic: ", paste(unknown, collapse = ", "))
if (!length(topics)) topics <- names(tolerances)

cat(sprintf("%s, metafor %s\n", R.version.string, packageVersion("metafor")))
agrees <- vapply(topics, function(topic) {
  new <- remade(topic)
  result <- report(topic, new)
  if ("--write" %in% arguments) rewrite(path_of(topic), new)
  result
}, logical(1))
cat("five_number        not remade: conv.fivenum() came after metafor 3.8-1, which Debian has\n")
if (!all(agrees)) quit(status = 1)
