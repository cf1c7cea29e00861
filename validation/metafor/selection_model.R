# Step-function selection models, stored in small_study.json.

# The default search stops up to 2e-3 short of the maximum.
search <- list(optimizer = "Nelder-Mead", reltol = 1e-15, maxit = 20000)

# metafor takes its standard errors of a selection model from numDeriv (Debian: r-cran-numderiv).
has_hessian <- requireNamespace("numDeriv", quietly = TRUE)

# key: <steps>_<alternative>.
selection <- function(data, key, steps) {
  part <- strsplit(key, "_")[[1]]
  found <- selmodel(
    rma(data$yi, data$vi, method = "ML", control = tight), type = "stepfun", alternative = part[2],
    steps = steps[[part[1]]], skiphes = !has_hessian, control = search
  )
  errors <- c(se_tau2 = "se.tau2", se = "se", ci_lb = "ci.lb", ci_ub = "ci.ub", se_delta = "se.delta")
  c(
    take(found, c(
      tau2 = "tau2", beta = "beta", delta = "delta", LRT = "LRT", LRTdf = "LRTdf", LRTp = "LRTp",
      if (has_hessian) errors
    )),
    list(logLik_ML = found$fit.stats["ll", "ML"])
  )
}

remake <- function(reference, load) {
  list(datasets = lapply(reference$datasets, function(data) {
    list(selmodel = lapply(named(names(data$selmodel)), function(key) selection(data, key, reference$meta$steps)))
  }))
}
