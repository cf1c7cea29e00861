# What metafor answers with its defaults (REML, Wald-type interval) on the failure zoo.
# Run from the root of the project after zoo.py:  Rscript validation/failure_zoo/metafor.R
suppressMessages(library(metafor))
library(jsonlite)

here <- "validation/failure_zoo"
sets <- fromJSON(file.path(here, "zoo.json"), simplifyVector = TRUE)
answers <- fromJSON(file.path(here, "answers.json"), simplifyVector = FALSE)

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
  list(tau2 = fit$tau2, i2 = fit$I2, mu = as.numeric(fit$beta), low = fit$ci.lb, high = fit$ci.ub,
       said = gsub("\n", " ", paste(unique(said), collapse = "; ")))
}

answers$metafor <- list(version = as.character(packageVersion("metafor")), answers = lapply(sets, ask))
write(toJSON(answers, auto_unbox = TRUE, digits = 15, pretty = 1), file.path(here, "answers.json"))
