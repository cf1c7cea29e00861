# What metafor answers with its defaults (REML, Wald-type interval) on the failure zoo, into metafor.json.
# Run from the root of the project:  Rscript validation/failure_zoo/metafor.R
suppressMessages(library(metafor))
library(jsonlite)

here <- "validation/failure_zoo"
sets <- fromJSON(file.path(here, "zoo.json"), simplifyVector = TRUE)

# Seventeen significant digits give a double back as it was; toJSON() alone stops at fifteen.
number <- function(x) if (is.finite(x)) structure(sprintf("%.17g", x), class = "json") else as.character(x)

ask <- function(set) {
  yi <- set$yi
  vi <- set$vi
  said <- character()
  fit <- tryCatch(
    withCallingHandlers(
      rma(yi, vi),
      warning = function(w) { said <<- c(said, conditionMessage(w)); invokeRestart("muffleWarning") }
    ),
    error = function(e) e
  )
  if (inherits(fit, "error")) return(list(said = paste("error:", gsub("\n", " ", conditionMessage(fit)))))
  numbers <- list(tau2 = fit$tau2, i2 = fit$I2, mu = as.numeric(fit$beta), low = fit$ci.lb, high = fit$ci.ub)
  c(lapply(numbers, number), said = gsub("\n", " ", paste(unique(said), collapse = "; ")))
}

out <- list(version = as.character(packageVersion("metafor")), answers = lapply(sets, ask))
write(toJSON(out, auto_unbox = TRUE, json_verbatim = TRUE, pretty = 1), file.path(here, "metafor.json"))
