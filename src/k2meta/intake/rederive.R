# Finds the headline of every analysis again with metafor, from the CSV files beside this script.
#   Rscript rederive.R
# Ends with status 1 where a number differs by more than 1e-6 of its standard error (tau2: 1e-6 of itself).
suppressPackageStartupMessages(library(metafor))

script <- grep("^--file=", commandArgs(FALSE), value = TRUE)
if (length(script)) setwd(dirname(normalizePath(sub("^--file=", "", script[1]))))

# The tightest threshold at which the search of tau2 still ends: metafor's default stops at about 1e-5.
fit_tightly <- function(data, method, test, level) {
  for (threshold in c(1e-14, 1e-12, 1e-10, 1e-8)) {
    fit <- tryCatch(
      suppressWarnings(rma(yi, vi, data = data, method = method, test = test, level = 100 * level,
                           control = list(threshold = threshold, tol = 1e-12, maxiter = 10000))),
      error = function(e) NULL)
    if (!is.null(fit)) return(fit)
  }
  stop("the search of tau2 does not end: ", method)
}

headline <- read.csv("headline.csv", stringsAsFactors = FALSE, colClasses = c(why_not = "character"))
failed <- FALSE
for (i in seq_len(nrow(headline))) {
  one <- headline[i, ]
  if (nzchar(one$why_not)) {
    cat(sprintf("%s: not derived again: %s\n", one$analysis, one$why_not))
    next
  }
  data <- read.csv(paste0(one$analysis, ".csv"), stringsAsFactors = FALSE)
  fit <- fit_tightly(data, one$method, one$test, one$level)
  found <- c(mu = c(fit$beta), low = fit$ci.lb, high = fit$ci.ub, tau2 = fit$tau2)
  stated <- c(mu = one$mu, low = one$low, high = one$high, tau2 = one$tau2)
  scale <- c(rep(fit$se, 3), max(fit$tau2, 1e-6 * fit$se^2))
  off <- max(abs(found - stated) / scale)
  agrees <- fit$k == one$k && off < 1e-6
  failed <- failed || !agrees
  cat(sprintf("%s: k = %d, mu = %.10g (%.10g to %.10g), tau2 = %.10g; %s (largest difference %.1e)\n",
              one$analysis, fit$k, found["mu"], found["low"], found["high"], found["tau2"],
              if (agrees) "agrees" else "DIFFERS", off))
}
quit(status = if (failed) 1 else 0)
